"""Faults of the machine by their names: disk full, no permission, connection lost.

Called where such a fault can come out of any library: the state database, deliveries,
runs and the command line. Rule: docs/reference/outages.md.
"""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager

from d118_pipelines.errors import (
    ConnectionLostError,
    D118Error,
    DiskFullError,
    PermissionDeniedError,
)
from d118_pipelines.kernel.stopping import limit_passed

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
# DuckDB and SQLite have a text in place of a number.
_FULL_TEXTS = (
    *("No space left on device", "Disk quota exceeded", "File too large"),
    *("database or disk is full", "disk I/O error", "max_temp_directory_size"),
)
_FORBIDDEN_TEXTS = (
    *("Permission denied", "Read-only file system", "Operation not permitted"),
    *("readonly database", "unable to open database file"),
)
_INTERRUPTED_TEXT = "Query interrupted"
_LIBRARIES = (
    *("_duckdb", "duckdb", "sqlalchemy.exc", "sqlite3"),
    *("adbc_driver_manager", "adbc_driver_manager._lib"),
)


def outage_of(exc: BaseException) -> D118Error | None:
    """The error that names an outage; None for any other exception."""
    number = exc.errno if isinstance(exc, OSError) else None
    text = str(exc) if type(exc).__module__ in _LIBRARIES else ""
    name = str(exc.filename or "") if isinstance(exc, OSError) else ""
    if number in _FULL or any(words in text for words in _FULL_TEXTS):
        return DiskFullError(
            "The disk is full, or a quota or limit is reached.",
            where=name,
            rule="What cannot be written whole is not used.",
            not_done="This step; nothing of it counts as sent or applied.",
            next_step="Make room below D118_HOME (df -h), then start again.",
        )
    if number in _FORBIDDEN or any(words in text for words in _FORBIDDEN_TEXTS):
        return PermissionDeniedError(
            "This account may not read or write a file.",
            where=name,
            rule="D118_HOME belongs to the account that runs d118 and the daemon.",
            not_done="This step; nothing of it counts as sent or applied.",
            next_step="Give the account the folder (ls -l), then start again: d118 doctor",
        )
    if isinstance(exc, ConnectionError) and not isinstance(exc, BrokenPipeError):
        return ConnectionLostError(
            f"A connection was lost ({type(exc).__name__}).",
            not_done="This step; nothing of it counts as sent or applied.",
            next_step="Check the network and the other side, then start again.",
        )
    return None


class NamedOutages(AbstractContextManager[None]):
    """Raises an outage of the block by its name; every other exception stays as it is.

    What DuckDB raises in place of an interrupt becomes the interrupt again, and what
    anybody raises once the run has passed its time limit becomes that.
    """

    def __exit__(
        self, _kind: object, exc: BaseException | None, _trace: object
    ) -> None:
        """Raises: DiskFullError, PermissionDeniedError, ConnectionLostError."""
        if isinstance(exc, RuntimeError) and str(exc) == _INTERRUPTED_TEXT:
            raise limit_passed() or KeyboardInterrupt from None
        passed = limit_passed()
        if passed and isinstance(exc, Exception) and exc is not passed:
            raise passed from None  # whatever a library makes of it
        if named := exc and outage_of(exc):
            raise named from None
