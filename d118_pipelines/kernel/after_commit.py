"""What comes after the commit: it may fail, and changes no result.

Called where a lease is given back, where an inbox or a folder is cleared and where a
finished run is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.log_level import own
from d118_pipelines.kernel.text import printable

Warn = Callable[[str], None]
# Of the disk, a database, a damaged file; what was committed stays.
_FAILURES = (D118Error, SQLAlchemyError, OSError, ValueError, LookupError)
log_warning: Warn = own.warning


@contextmanager
def after_commit(what: str, warn: Warn = log_warning) -> Iterator[None]:
    """Warn of what fails in the block. what: what may be left undone, as a subject."""
    try:
        yield
    except _FAILURES as exc:
        # Only the class of a foreign error: its text may carry a person's data.
        reason = exc.what if isinstance(exc, D118Error) else type(exc).__name__
        warn(printable(f"{what} failed ({reason}). What was done before counts."))
