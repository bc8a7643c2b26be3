"""What is sent and what came back: the values that delivery takes and returns.

Used by the whole room and by `workflows/file_set.py`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from d118_pipelines.errors import ExportError


def opened(local: Path) -> BinaryIO:
    """A file that is sent. Raises: ExportError if it cannot be read."""
    try:
        return local.open("rb")
    except OSError as exc:
        raise ExportError(
            f"A file to send cannot be read: {exc.strerror}",
            where=str(local),
            not_done="the delivery is not recorded as done",
            next_step="render the export again",
        ) from exc


@dataclass(frozen=True, slots=True)
class FileToSend:
    """One finished file on the local disk. `name` is its final name at the destination."""

    name: str
    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How files go to one destination. The defaults are the safe ones.

    use_temp_names: upload as `<name>.part` and rename in order once all are there. Off,
        for a server that refuses renames: straight to the real names, each file with
        its time and its checks before the next; a broken upload then shows.
    confirm_size: compare the size at the destination with the local one, after the
        upload and at the end.
    confirm_hash: read each uploaded file back and compare its SHA-256, before the
        rename. Off for a server that lets nothing be read.
    set_mtime: give the files modification times in the past, 60 s apart, ascending in
        the order of the set, before the rename. Off, with `ordered_mtimes` on: upload one
        after the other with at least 2 s between, and still check that the times ascend.
    ordered_mtimes: the vendor imports by modification time, so the times must ascend.
    verify_after_rename: look at the real names at the end. Off for a server that takes
        files away at once; the checks of the temporary files then count (and without
        temporary names, `confirm_size` and `confirm_hash` have to be off too).
    settle_seconds: the vendor reads this long after the last activity, so the real names
        must all change within this time; None: it does not say.
    Source: docs/reference/delivery.md.
    """

    use_temp_names: bool = True
    confirm_size: bool = True
    confirm_hash: bool = True
    set_mtime: bool = False
    ordered_mtimes: bool = False
    verify_after_rename: bool = True
    settle_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """One file after the delivery.

    size_bytes, sha256: of the file that was sent; confirmed by the destination as far as
    the report's `read_back` says so. modified_at: what the destination said (UTC), None
    where it was not asked.
    """

    name: str
    size_bytes: int
    sha256: str
    modified_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A verified delivery of the whole set, in its order.

    attempts: connections that it took, 1 to 3.
    """

    files: tuple[DeliveredFile, ...]
    attempts: int
    read_back: tuple[str, ...]
    """What was confirmed: any of `size`, `hash`, `mtime`."""
