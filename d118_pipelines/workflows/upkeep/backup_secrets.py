"""The secrets of a backup: encrypted in it, by a key that is not inside.

Called by `backup.py` and `restore.py`. Rules: docs/reference/backup.md.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

from d118_pipelines.config.secret_files import private_text
from d118_pipelines.errors import ConfigurationError

_SECRET = (".env", "*.pem", "*.key")


def sealed_secrets(root: Path, key_file: Path) -> bytes:
    """The files with secrets as one encrypted tar.

    Raises: ConfigurationError if the archive could hold the key, or it is none.
    """
    key = _key(root, key_file)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in sorted({f for pattern in _SECRET for f in root.glob(pattern)}):
            if path.is_file():
                archive.add(path, path.name, recursive=False, filter=plain_entry)
    return bytes(_fernet(key).encrypt(data.getvalue()))


def opened_secrets(sealed: bytes, key_file: Path) -> dict[str, bytes]:
    """File name -> contents. Raises: ConfigurationError if the key does not open it."""
    from cryptography.fernet import InvalidToken

    try:
        data = _fernet(private_text(key_file).strip().encode("ascii")).decrypt(sealed)
    except InvalidToken:
        raise ConfigurationError(
            f"The key {key_file} does not open the secrets of this backup.",
            not_done="Nothing was restored.",
            next_step="Give the key that --secrets-key named when it was made.",
        ) from None
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            if file is not None and Path(entry.name).name == entry.name:
                found[entry.name] = file.read()
    return found


def plain_entry(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the account of this machine; readable by the owner alone."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _key(root: Path, path: Path) -> bytes:
    if path.resolve().is_relative_to(root.resolve()):
        raise ConfigurationError(
            f"The key {path} is in the district's folder.",
            rule="Whoever has the archive must not have its key.",
            not_done="No backup was made.",
            next_step="Keep it elsewhere, and a copy of it outside this machine.",
        )
    return private_text(path).strip().encode("ascii")


def _fernet(key: bytes) -> Any:
    from cryptography.fernet import Fernet

    try:
        return Fernet(key)
    except ValueError:
        raise ConfigurationError(
            "The file of --secrets-key has no key in it.",
            rule="A key is 32 bytes in URL-safe base64.",
            not_done="Nothing was done.",
            next_step="Make one: d118 secrets new-key",
        ) from None
