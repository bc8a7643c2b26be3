"""Files that people drop into an inbox: when they are complete, and where they go after.

Called by `workflows/providers/arrivals.py` and, after a sync,
`workflows/providers/sync.py`. Rule: docs/reference/csv_files.md, arrival.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.kernel.hashes import sha256_of

PROCESSED = "processed"


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `cursor` is given to the next look; `run_key` is there when
    two looks found the same files: a hash of their names and contents."""

    cursor: str
    run_key: str | None


def csv_files(folder: Path) -> list[Path]:
    """The visible `.csv` files right in the folder, by name; none if it is not there."""
    if not folder.is_dir():
        return []
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ".csv"
        and not path.name.startswith(".")
        and path.is_file()
    ]
    return sorted(found, key=lambda path: path.name)


def look(folder: Path, earlier: str = "") -> Look:
    """Look at the inbox. earlier: the cursor of the look before, empty for the first.

    There is a run key only when sizes and times are unchanged between two checks; the
    contents are hashed once, not at every look.
    """
    stats = {path.name: stamp(path) for path in csv_files(folder)}
    before = json.loads(earlier) if earlier else {}
    key = None
    if stats and before.get("files") == stats:
        key = before.get("run_key") or _content_hash(folder, sorted(stats))
    return Look(json.dumps({"files": stats, "run_key": key}), key)


def stamp(path: Path) -> str:
    """Size and time of a file, by which a change is noticed."""
    stat = path.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def archive(folder: Path, name: str, read: Mapping[str, str]) -> list[str]:
    """Move the files that a pull has read into `processed/<name>/`; return their names.

    read: file name -> its stamp when it was read (`read_stamps` of the pull's details).
    A file that was replaced since stays in the inbox for the next run.
    """
    moved = [
        path
        for path in csv_files(folder)
        if path.name in read and stamp(path) == read[path.name]
    ]
    target = folder / PROCESSED / name
    if moved:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in moved:
        path.rename(target / path.name)
    return [path.name for path in moved]


def _content_hash(folder: Path, names: list[str]) -> str:
    total = hashlib.sha256()
    for name in names:
        total.update(f"{name}\0{sha256_of(folder / name)}\n".encode())
    return total.hexdigest()
