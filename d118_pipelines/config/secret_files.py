"""Files with secrets: nobody but their owner may read them.

Called by whatever reads one: `.env`, key files, keys of backups. The mode is judged and
not whether somebody can read it: root could read everything. Rule: SECURITY.md.
"""

from __future__ import annotations

import stat
from pathlib import Path

from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import ConfigurationError


def refuse_open_file(path: Path) -> None:
    """Raises: ConfigurationError if it is no regular file or others can read it."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise ConfigurationError(
            f"{shown_path(path)} is no regular file.",
            rule="Secrets are in a regular file that only its owner may read.",
            not_done="Nothing was started.",
        )
    if mode & 0o077:
        raise ConfigurationError(
            f"{shown_path(path)} can be read by others (mode {mode & 0o777:o}).",
            rule="Secrets are in a regular file that only its owner may read.",
            not_done="Nothing was started.",
            next_step=f"chmod 600 {shown_path(path)}",
        )


def private_text(path: Path) -> str:
    """The text of a file with secrets. Raises: ConfigurationError; nothing of it is told."""
    try:
        refuse_open_file(path)
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(
            f"The key file {shown_path(path)} cannot be read ({type(exc).__name__})."
        ) from None
