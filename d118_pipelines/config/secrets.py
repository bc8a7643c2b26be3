"""Values of secrets in `config/providers.yaml`: environment variables and fernet tokens.

Called by `workflows/providers/provider_sources.py` and `cli/secrets.py`. A value never
reaches a message, a log, metadata or a run's configuration. Rule:
docs/reference/providers.md, secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.config.project import environment_value
from d118_pipelines.config.secret_files import private_text
from d118_pipelines.config.yaml_files import replace_file, shown_path
from d118_pipelines.errors import ConfigurationError, MissingSecretError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

_VARIABLE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")
_TOKEN = re.compile(r"fernet:([A-Za-z0-9_=-]+)")


def resolved(text: str, *, needed_for: str) -> str:
    """The value behind `${NAME}` or `fernet:...`; any other text is its own value.

    Raises: MissingSecretError naming the variable; ConfigurationError if no key opens
    the token.
    """
    if variable := variable_of(text):
        return environment_value(variable, needed_for=needed_for)
    if text.startswith("fernet:"):
        return _opened(_keys().decrypt, text.removeprefix("fernet:"), needed_for)
    return text


def variable_of(text: str) -> str | None:
    """The variable behind `${NAME}`; None for any other text."""
    found = _VARIABLE.match(text)
    return found[1] if found else None


def new_key() -> str:
    """A fresh key, for `ENCRYPTION_KEY` or the file named by `ENCRYPTION_KEY_FILE`."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode("ascii")


def encrypted(value: str) -> str:
    """`fernet:<token>` of a value, made with the newest key. Raises: MissingSecretError."""
    token = _keys().encrypt(value.encode("utf-8"))
    return f"fernet:{token.decode('ascii')}"


def rotate_file(path: Path) -> int:
    """Encrypt every token of the file again with the newest key; nothing else changes.

    Returns how many tokens there are. Raises: ConfigurationError if one cannot be
    opened; the file then stays as it was.
    """
    keys = _keys()
    # Not as text: line ends stay as they are.
    text = path.read_bytes().decode("utf-8")
    count = 0

    def renew(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"fernet:{_opened(keys.rotate, found[1], shown_path(path))}"

    renewed = _TOKEN.sub(renew, text)
    replace_file(path, renewed.encode("utf-8"))
    return count


def unreadable_tokens(path: Path) -> list[int]:
    """Lines of the file with a token that no key decrypts."""
    from cryptography.fernet import InvalidToken

    keys, bad = _keys(), []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for found in _TOKEN.finditer(line):
            try:
                keys.decrypt(found[1].encode("ascii"))
            except InvalidToken:
                bad.append(number)
    return bad


def _opened(opener: Callable[[bytes], bytes], token: str, used_in: str) -> str:
    """What the opener makes of a token. Raises: ConfigurationError if no key opens it."""
    from cryptography.fernet import InvalidToken

    try:
        return opener(token.encode("ascii")).decode("utf-8")
    except InvalidToken:
        raise ConfigurationError(
            f"A fernet value cannot be decrypted with any key ({used_in}).",
            rule="ENCRYPTION_KEY or ENCRYPTION_KEY_FILE must have the key that it was "
            "made with.",
            not_done="No connection was made, nothing was changed.",
            next_step="d118 secrets verify names the lines; make the value again with: "
            "d118 secrets encrypt",
        ) from None


def _keys() -> MultiFernet:
    """All keys, newest first. Raises: MissingSecretError, ConfigurationError."""
    from cryptography.fernet import Fernet, MultiFernet

    text = os.environ.get("ENCRYPTION_KEY", "")
    named = os.environ.get("ENCRYPTION_KEY_FILE", "")
    if not text and named:
        text = private_text(Path(named))
    keys = [key for key in re.split(r"[,\s]+", text) if key]
    if not keys:
        raise MissingSecretError(
            "Neither ENCRYPTION_KEY nor ENCRYPTION_KEY_FILE is set.",
            rule="A fernet value needs the key that it was made with; there is no default.",
            not_done="No connection was made, nothing was changed.",
            next_step="Make a key: d118 secrets new-key, and keep it in the file of "
            "ENCRYPTION_KEY_FILE.",
        )
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ConfigurationError(
            "ENCRYPTION_KEY or ENCRYPTION_KEY_FILE has something in it that is not a key.",
            rule="Keys are 32 bytes in URL-safe base64, newest first, separated by commas.",
            next_step="Make one: d118 secrets new-key",
        ) from None
