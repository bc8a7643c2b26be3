"""Folders `<time>-<run>` that hold what one run made: complete, or not there at all.

The time is UTC to the microsecond, the run is the first eight characters of its id.
Names sort by age: where the clock is behind the newest folder, a folder is named right
after it. While it is filled, a folder has a hidden name and a lock that ends with its
process. Called by whoever keeps what a run made: pulls, staged rosters, plans, exports.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

# The file that every complete folder has.
MANIFEST_FILE = "manifest.json"
_STAMP = "%Y%m%dT%H%M%S%fZ"
T = TypeVar("T")
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

    def __init__(self, parent: Path, *, run_id: str, now: dt.datetime) -> None:
        """Make it, for the owner alone; what killed runs left beside it is removed."""
        self.final = parent / run_folder_name(parent, run_id, now)
        self.path = parent / f".{self.final.name}.part"
        self._lock = _make_locked(self.path)

    def complete(self) -> None:
        """Give it its final name, so that it is found."""
        self.path.rename(self.final)

    def discard(self) -> None:
        """Remove what was written; does nothing once it is complete."""
        shutil.rmtree(self.path, ignore_errors=True)
        _unlock(self._lock)


@contextmanager
def new_run_folder(
    parent: Path, *, run_id: str, now: dt.datetime
) -> Iterator[RunFolder]:
    """A folder that is complete when the block ends, and removed when it fails."""
    folder = RunFolder(parent, run_id=run_id, now=now)
    try:
        yield folder
        folder.complete()
    finally:
        folder.discard()


def repeat_files(old: Path, new: Path) -> None:
    """Give a folder the files of an older one but its manifest, without copying them.

    Nobody writes into a file of a complete folder. Where the file system has no links,
    they are copied.
    """
    for path in old.iterdir():
        if path.name == MANIFEST_FILE or not path.is_file():
            continue
        try:
            os.link(path, new / path.name)
        except OSError:
            shutil.copy2(path, new / path.name)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder that is gone after the block; what killed processes left goes with it."""
    path = parent / f".{secrets.token_hex(8)}.part"
    lock = _make_locked(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _unlock(lock)


def _make_locked(path: Path) -> int | None:
    """Make a folder and lock it while this process lives; unlocked ones beside it go.

    Not in a folder that is locked itself: this would wait for its own process.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Nobody may take a new folder for one that was left, before it is locked.
    with folder_locked(path.parent):
        for left in path.parent.glob(".*.part"):
            lock = _locked(left, fcntl.LOCK_NB)
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                _unlock(lock)
        path.mkdir(mode=0o700)
        return _locked(path, fcntl.LOCK_NB)


@contextmanager
def folder_locked(path: Path) -> Iterator[None]:
    """Wait for the folder's lock and hold it for the block; it ends with the process."""
    lock = _locked(path)
    try:
        yield
    finally:
        _unlock(lock)


def _locked(path: Path, more: int = 0) -> int | None:
    """The lock's descriptor; None: another has it, or the file system knows no locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | more)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def run_folders(parent: Path) -> list[Path]:
    """All of them that have their final name, complete or not, oldest first."""
    return sorted(f for f in parent.glob("[0-9]*") if _NAMED.match(f.name))


def made_at(folder: Path) -> dt.datetime:
    """When it was made, by the clock of then: as its manifest says, else its name."""
    if (folder / MANIFEST_FILE).is_file():
        at: dt.datetime = read_manifest(folder)["made_at"]
        return at
    stamp = folder.name.split("-")[0]
    return dt.datetime.strptime(stamp, _STAMP).replace(tzinfo=dt.UTC)


def newest_run_folder(parent: Path, run_id: str | None = None) -> Path | None:
    """The complete folder that the run made, else the newest one, else None."""
    complete = (f for f in parent.glob("[0-9]*") if (f / MANIFEST_FILE).is_file())
    folders = sorted(complete, reverse=True)
    if run_id is not None:
        own = [f for f in folders if f.name.endswith(f"-{run_id[:8]}")]
        folders = own or folders
    return folders[0] if folders else None


def find_made(
    parent: Path, read: Callable[[Path], T], run_id: str | None = None
) -> T | None:
    """What `read` makes of the folder that `newest_run_folder` finds; None without."""
    folder = newest_run_folder(parent, run_id)
    return read(folder) if folder else None


def write_manifest(folder: Path, values: Mapping[str, Any]) -> None:
    """Write what is known of a folder but `folder` itself; `made_at` is a time."""
    kept = {name: value for name, value in values.items() if name != "folder"}
    kept["made_at"] = kept["made_at"].isoformat()
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    path.chmod(0o600)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The values as they were given to `write_manifest`, and `folder`."""
    values = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    made_at = dt.datetime.fromisoformat(values["made_at"])
    return {**values, "folder": folder, "made_at": made_at}
