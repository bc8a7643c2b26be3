"""What is sent and what came back: the values that delivery takes and returns.

Used by the whole room and by `workflows/targets/file_set.py`.
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
class DeliveredFile:
    """One file after the delivery.

    size_bytes, sha256: of the file that was sent; confirmed by the destination as far
    as the report's `read_back` says so. modified_at: what the destination said (UTC),
    None where it was not asked.
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
