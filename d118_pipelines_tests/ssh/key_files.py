"""Private keys in every format, for the tests that read them and log in with them.

Belongs here: writing key files. Not here: reading them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

PASSPHRASE = "canary-passphrase"
KINDS = ("rsa", "ecdsa", "ed25519")
FORMATS = ("PKCS1", "PKCS8", "OPENSSH")
ALL = [
    (kind, form, protected)
    for kind in KINDS
    for form in FORMATS
    for protected in (False, True)
    if (kind, form) != ("ed25519", "PKCS1")  # has no such format
]


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """One key of each kind, written in each format, with and without passphrase."""

    folder: Path
    public: dict[str, str]
    """`type base64` by kind."""

    def path(self, kind: str, form: str, protected: bool) -> Path:
        return self.folder / f"{kind}_{form}_{'protected' if protected else 'plain'}"


def write_key_files(folder: Path) -> KeyFiles:
    """Make the keys; takes about a second."""
    from cryptography.hazmat.primitives import serialization as ser

    formats = {
        "PKCS1": ser.PrivateFormat.TraditionalOpenSSL,
        "PKCS8": ser.PrivateFormat.PKCS8,
        "OPENSSH": ser.PrivateFormat.OpenSSH,
    }
    keys = {kind: make_private_key(kind) for kind in KINDS}
    files = KeyFiles(folder, {kind: _public(key) for kind, key in keys.items()})
    for kind, form, protected in ALL:
        data = keys[kind].private_bytes(
            ser.Encoding.PEM,
            formats[form],
            ser.BestAvailableEncryption(PASSPHRASE.encode())
            if protected
            else ser.NoEncryption(),
        )
        path = files.path(kind, form, protected)
        path.touch(mode=0o600)
        path.write_bytes(data)
    return files


def make_private_key(kind: str) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "koblitz":
        return ec.generate_private_key(ec.SECP256K1())
    if kind == "dsa":
        return dsa.generate_private_key(1024)
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return ed25519.Ed25519PrivateKey.generate()


def _public(key: PrivateKeyTypes) -> str:
    from cryptography.hazmat.primitives import serialization as ser

    public = key.public_key()
    return public.public_bytes(ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH).decode()
