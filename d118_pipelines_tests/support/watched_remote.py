"""A destination that tells when each of its calls is done.

Belongs here: passing calls on and counting them. Not here: what the teller does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

from d118_pipelines.delivery.remote import FileStat, Remote


class WatchedRemote:
    """Keeps `Remote` by passing on to another; calls `after` with `put 1`, `put 2`..."""

    def __init__(self, remote: Remote, *, after: Callable[[str], None]) -> None:
        self._remote = remote
        self._after = after
        self._counts: Counter[str] = Counter()

    def _done(self, call: str) -> None:
        self._counts[call] += 1
        self._after(f"{call} {self._counts[call]}")

    def __enter__(self) -> Self:
        self._remote.__enter__()
        self._after("enter")
        return self

    def __exit__(self, *exc: object) -> None:
        self._remote.__exit__(None, None, None)

    def put(self, local: Path, name: str, on_bytes: Callable[[int], None]) -> None:
        self._remote.put(local, name, on_bytes)
        self._done("put")

    def stat(self, name: str) -> FileStat | None:
        found = self._remote.stat(name)
        self._done("stat")
        return found

    def set_mtime(self, name: str, mtime_seconds: int) -> None:
        self._remote.set_mtime(name, mtime_seconds)
        self._done("set_mtime")

    def replace(self, old: str, new: str) -> None:
        self._remote.replace(old, new)
        self._done("replace")

    def remove(self, name: str) -> None:
        self._remote.remove(name)
        self._done("remove")

    def sha256(self, name: str) -> str:
        sha256 = self._remote.sha256(name)
        self._done("sha256")
        return sha256

    def listing(self) -> list[str]:
        names = self._remote.listing()
        self._done("listing")
        return names
