"""Folders `<time>-<run>` that hold what one run made: complete, or not there at all.

The time is UTC to the microsecond, the run is the first eight characters of its id. Names
sort by age: where the clock is behind the newest folder, a folder is named right after it.
While it is filled, a folder has a hidden name.
Called by whoever keeps what a run made: pulls, staged rosters, plans, exports.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STAMP = "%Y%m%dT%H%M%S%fZ"
_NAMED = re.compile(r"\d{8}T\d{12}Z-")


def run_folder_name(parent: Path, run_id: str, now: dt.datetime) -> str:
    """For example `20261102T060100000000Z-1f0c9a52`, after every folder in the parent.

    Also after those one level up and down: an extract of one query is in
    `raw/<system>/<query>/`, a pull of all of them in `raw/<system>/`.
    """
    inside = list(parent.iterdir()) if parent.is_dir() else []
    below = [path for path in inside if path.is_dir() and not _NAMED.match(path.name)]
    beside = [*parent.parent.glob("[0-9]*"), *(f for b in below for f in b.iterdir())]
    stamp = now.astimezone(dt.UTC).strftime(_STAMP)
    named = (f.name for f in (*inside, *beside) if _NAMED.match(f.name))
    newest = max((name.split("-")[0] for name in named), default="")
    if newest >= stamp:
        later = dt.datetime.strptime(newest, _STAMP) + dt.timedelta(microseconds=1)
        stamp = later.strftime(_STAMP)
    return f"{stamp}-{run_id[:8]}"


class RunFolder:
    """A folder that is being filled: `path` now, `final` once it is complete."""

    def __init__(
        self, parent: Path, *, run_id: str, now: dt.datetime, is_alone: bool = False
    ) -> None:
        """Make it, for the owner alone. is_alone: nobody else fills a folder in the
        parent, so what is hidden there was left by a killed run and is removed."""
        self.final = parent / run_folder_name(parent, run_id, now)
        self.path = parent / f".{self.final.name}.part"
        if is_alone:
            for killed in parent.glob(".*.part"):
                shutil.rmtree(killed, ignore_errors=True)
        self.path.mkdir(parents=True, mode=0o700)

    def complete(self) -> None:
        """Give it its final name, so that it is found."""
        self.path.rename(self.final)

    def discard(self) -> None:
        """Remove what was written; does nothing once it is complete."""
        shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def new_run_folder(
    parent: Path, *, run_id: str, now: dt.datetime, is_alone: bool = False
) -> Iterator[RunFolder]:
    """A folder that is complete when the block ends, and removed when it fails."""
    folder = RunFolder(parent, run_id=run_id, now=now, is_alone=is_alone)
    try:
        yield folder
        folder.complete()
    finally:
        folder.discard()


def newest_run_folder(
    parent: Path, marker: str, run_id: str | None = None
) -> Path | None:
    """The folder that the run made, else the newest one, else None.

    marker: the file that every complete folder has.
    """
    complete = (f for f in parent.glob("[0-9]*") if (f / marker).is_file())
    folders = sorted(complete, reverse=True)
    if run_id is not None:
        own = [f for f in folders if f.name.endswith(f"-{run_id[:8]}")]
        folders = own or folders
    return folders[0] if folders else None
