"""Private keys from files, in every format that vendors hand out.

Called by `session.py`. Messages name the file and the remedy, nothing of the contents.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.config.secret_files import refuse_open_file
from d118_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    import paramiko
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

# What a file begins with -> what it is, and what to do.
_PUBLIC = ("a public key", "use the private key that belongs to it")
_MISTAKES = {
    b"ssh-": _PUBLIC,
    b"ecdsa-": _PUBLIC,
    b"-----BEGIN PUBLIC": _PUBLIC,
    b"---- BEGIN SSH2 PUBLIC": _PUBLIC,
    b"-----BEGIN CERTIFICATE": ("a certificate", "ask the vendor for the private key"),
    b"PuTTY-User-Key-File": (
        "a key in PuTTY's own format",
        "convert it: puttygen FILE.ppk -O private-openssh -o private.pem",
    ),
}
_UNSUPPORTED = (
    "a key of a kind that is not supported",
    "ask the vendor for an RSA, ECDSA (nistp) or Ed25519 key; DSA is no longer in use",
)
_DAMAGED = (
    "not a private key, or a damaged one",
    "copy the file again as it came from the vendor, all lines of it",
)


def load_private_key(path: Path, passphrase: str | None) -> paramiko.PKey:
    """Read a private key; a passphrase that the file does not need is not used.

    Raises: ConfigurationError for a missing or unreadable file, a missing or wrong
    passphrase, a public key or another wrong file, a kind that is not supported, and a
    file that others can read.
    Source: docs/reference/delivery.md.
    """
    key = parse_private_key(_read(path), str(path), passphrase)
    refuse_open_file(path)  # last: a public key may be read by all
    return key


def parse_private_key(data: bytes, where: str, passphrase: str | None) -> paramiko.PKey:
    """The same for the text of a key; `where` names its place in messages."""
    for beginning, mistake in _MISTAKES.items():
        if data.lstrip().startswith(beginning):
            raise _error(where, mistake)
    key = _parse(where, data, passphrase)
    paramiko_key = _convert(key)
    if paramiko_key is None:
        raise _error(where, _UNSUPPORTED)
    return paramiko_key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigurationError(
            f"The private key cannot be read: {exc.strerror}",
            where=str(path),
            not_done="nothing was contacted",
            next_step="put the vendor's key there, readable by the account that runs "
            "the delivery",
        ) from exc


def _parse(where: str, data: bytes, passphrase: str | None) -> PrivateKeyTypes:
    """Read without the passphrase first: only a TypeError says that it is needed."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    load = serialization.load_pem_private_key
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        load = serialization.load_ssh_private_key
        if _is_openssh_dsa(data):
            raise _error(where, _UNSUPPORTED)
    try:
        return load(data, None)
    except TypeError:
        pass
    except UnsupportedAlgorithm:
        raise _error(where, _UNSUPPORTED) from None
    except ValueError:
        raise _error(where, _DAMAGED) from None
    if not passphrase:
        remedy = "set the passphrase of this key where the target names it"
        raise _error(where, ("protected, and no passphrase is set", remedy))
    try:
        return load(data, passphrase.encode())
    except UnsupportedAlgorithm:
        raise _error(where, _UNSUPPORTED) from None
    except ValueError:
        remedy = f"correct the passphrase; `ssh-keygen -y -f {where}` says if it fits"
        raise _error(where, ("protected with another passphrase", remedy)) from None


def _is_openssh_dsa(data: bytes) -> bool:
    """Reading such a key would only warn that it is going away."""
    body = b"".join(line for line in data.splitlines() if b"-" not in line)
    try:
        return b"ssh-dss" in base64.b64decode(body)
    except ValueError:
        return False


def _convert(key: PrivateKeyTypes) -> paramiko.PKey | None:
    """As paramiko wants it: by way of the one format that all its classes read."""
    import paramiko
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curves = ("secp256r1", "secp384r1", "secp521r1")
    kind: type[paramiko.PKey]
    if isinstance(key, rsa.RSAPrivateKey):
        kind = paramiko.RSAKey
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        kind = paramiko.Ed25519Key
    elif isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        kind = paramiko.ECDSAKey
    else:
        return None
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    return kind.from_private_key(io.StringIO(text.decode()))


def _error(where: str, mistake: tuple[str, str]) -> ConfigurationError:
    what, remedy = mistake
    return ConfigurationError(
        f"The private key file is {what}",
        where=where,
        rule="a key is PKCS#1, PKCS#8 or OpenSSH (docs/reference/delivery.md)",
        not_done="nothing was contacted",
        next_step=remedy,
    )
