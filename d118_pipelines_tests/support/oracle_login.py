"""The server's half of Oracle's password login (verifier 12C).

Belongs here: keys, challenge, the check of the answer. Not here: messages and packets.

The password itself never crosses the wire: both sides derive the same key from it and
from two random halves, and the driver encrypts what it sends with that key.
"""

from __future__ import annotations

import hashlib
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

VERIFIER_12C = 0x4815
# The verifier of databases before 11g; the driver's thin mode refuses it.
VERIFIER_10G = 0x939

BLOCK_SIZE = 16
KEY_SIZE = 32
SALT_SIZE = 16
# Real servers derive with 4096 rounds; the number is theirs to choose, and every test
# would pay for it.
VERIFIER_ROUNDS = 64
SESSION_ROUNDS = 3
# What the driver expects to find in the server's last word.
SERVER_PROOF = b"SERVER_TO_CLIENT"


def _cipher(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(bytes(BLOCK_SIZE)))


def _encrypt(key: bytes, data: bytes) -> bytes:
    encryptor = _cipher(key).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def _decrypt(key: bytes, data: bytes) -> bytes:
    decryptor = _cipher(key).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _pad(data: bytes) -> bytes:
    missing = BLOCK_SIZE - len(data) % BLOCK_SIZE
    return data + bytes([missing]) * missing


class Login:
    """One login. An unknown user gets a challenge too, with a password nobody knows."""

    def __init__(self, password: str | None) -> None:
        self._known = password is not None
        self._password = (password or secrets.token_hex()).encode()
        self._verifier_salt = secrets.token_bytes(SALT_SIZE)
        self._session_salt = secrets.token_bytes(SALT_SIZE)
        self._server_half = secrets.token_bytes(KEY_SIZE)

    def _password_hash(self) -> bytes:
        salt = self._verifier_salt + b"AUTH_PBKDF2_SPEEDY_KEY"
        key = hashlib.pbkdf2_hmac("sha512", self._password, salt, VERIFIER_ROUNDS, 64)
        return hashlib.sha512(key + self._verifier_salt).digest()[:KEY_SIZE]

    def challenge(self, verifier: int = VERIFIER_12C) -> dict[str, tuple[str, int]]:
        """The first answer of the server: texts and flags by key."""
        half = _encrypt(self._password_hash(), self._server_half)
        return {
            "AUTH_SESSKEY": (half.hex().upper(), 0),
            "AUTH_VFR_DATA": (self._verifier_salt.hex().upper(), verifier),
            "AUTH_PBKDF2_CSK_SALT": (self._session_salt.hex().upper(), 0),
            "AUTH_PBKDF2_VGEN_COUNT": (str(VERIFIER_ROUNDS), 0),
            "AUTH_PBKDF2_SDER_COUNT": (str(SESSION_ROUNDS), 0),
        }

    def proof(self, answer: dict[str, str]) -> str | None:
        """The server's last word for a right password, None for a wrong one."""
        client_half = _decrypt(
            self._password_hash(), bytes.fromhex(answer["AUTH_SESSKEY"])
        )
        secret = (client_half[:KEY_SIZE] + self._server_half).hex().upper().encode()
        key = hashlib.pbkdf2_hmac(
            "sha512", secret, self._session_salt, SESSION_ROUNDS, KEY_SIZE
        )
        sent = _decrypt(key, bytes.fromhex(answer["AUTH_PASSWORD"]))
        if not self._known or sent[SALT_SIZE:] != _pad(self._password):
            return None
        word = _pad(secrets.token_bytes(SALT_SIZE) + SERVER_PROOF)
        return _encrypt(key, word).hex().upper()
