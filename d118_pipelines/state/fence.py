"""Who may have the SQLite file open in this process: many as SQLAlchemy does, or Arrow alone.

Called by `database.py` and `arrow.py`. The Arrow driver brings a SQLite of its own.
POSIX gives the locks of a file to the process: when one copy of the library closes it,
the other copy's locks are gone, and another process could write in the middle of a
transaction. So the two never have it open at the same time. Other processes are not
affected: there the locks of both are what they always are.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Fence:
    """Many may be inside with `shared`, or one with `alone`; the others wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._alone: int | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Be inside beside others. Raises: RuntimeError in the thread that is alone."""
        me = threading.get_ident()
        with self._changed:
            if self._alone == me:
                raise RuntimeError("a transaction was begun within an Arrow reading")
            self._changed.wait_for(lambda: self._alone is None)
            self._inside[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[me] -= 1
                self._inside += Counter()  # forgets threads that are out
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be inside without others. Raises: RuntimeError in a thread that is inside."""
        me = threading.get_ident()
        with self._changed:
            if me in self._inside or self._alone == me:
                raise RuntimeError("an Arrow reading was begun within a transaction")
            self._changed.wait_for(lambda: not self._inside and self._alone is None)
            self._alone = me
        try:
            yield
        finally:
            with self._changed:
                self._alone = None
                self._changed.notify_all()


_fences: dict[Path, Fence] = {}


def fence_of(path: Path) -> Fence:
    """The fence around one file; the same for every way to name it."""
    return _fences.setdefault(path.resolve(), Fence())
