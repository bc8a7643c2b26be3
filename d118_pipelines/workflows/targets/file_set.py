"""A target's files as one set: sent in order, read back, entered in the ledger.

Called by `deliveries.py`, which chooses between this and users (`scim.py`); when a
delivery counts is in `deliver.py`, the steps of sending are in `delivery/sequence.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.delivery.files import DeliveryReport, FileToSend
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.errors import ExportError
from d118_pipelines.targets.ledger import Baseline, commit_entries, last_verified
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.targets.tables import read_rows
from d118_pipelines.workflows.targets.deliver import Delivery, Parcel
from d118_pipelines.workflows.targets.destinations import FileDestination


@dataclass(frozen=True)
class FileSet(Delivery[DeliveryReport]):
    """The delivery of files. sleep: waits between the attempts, in seconds."""

    destination: FileDestination
    sleep: Callable[[float], None] = time.sleep

    def last(self, connection: sa.Connection) -> Baseline | None:
        """The last verified delivery; its export has the frames."""
        return last_verified(connection, self.target.name, self.destination.id)

    def differs(self, files: Sequence[Mapping[str, Any]]) -> str:
        """Names of files that are gone or other ones, by size and SHA-256."""
        if not files:
            return "this copy knows of no delivery to compare with."
        if not self.destination.options.in_force.confirm_hash:
            return "its server lets nothing be read."
        with self.destination.connect() as remote:
            there = {name: remote.stat(name) for name in (f["name"] for f in files)}
            gone = [name for name, found in there.items() if found is None]
            other = [
                file["name"]
                for file in files
                if there[file["name"]] and remote.sha256(file["name"]) != file["sha256"]
            ]
        told = [f"other contents: {', '.join(other)}."] if other else []
        told += [f"not there any more: {', '.join(gone)}."] if gone else []
        return " ".join(told)

    def send(self, parcel: Parcel) -> DeliveryReport:
        """Send the files of the export. Raises: as `deliver_set`."""
        return deliver_set(
            self.destination.connect,
            [self._to_send(parcel.folder, file) for file in parcel.files],
            self.destination.options,
            now=self.clock,
            sleep=self.sleep,
            on_progress=self._tell,
        )

    def commit(self, connection: sa.Connection, parcel: Parcel) -> int:
        """Enter every record of the set."""
        return commit_entries(
            connection,
            target=self.target.name,
            destination=self.destination.id,
            delivery=parcel.id,
            now=self.clock(),
            ledger=self.target.model.ledger,
            records=self._records(parcel.folder),
        )

    def _tell(self, name: str, sent: int, total: int) -> None:
        if self.tell is not None:
            self.tell(f"{name}: {sent:,} of {total:,} bytes")

    def _to_send(self, folder: Path, file: Mapping[str, Any]) -> FileToSend:
        path = folder / file["name"]
        if not path.is_file():
            raise ExportError(
                f"The kept file {file['name']} no longer exists.",
                where=folder.name,
                not_done="Nothing was sent.",
                next_step=f"Make a new set: d118 run {self.target.name}",
            )
        return FileToSend(file["name"], path, file["size_bytes"], file["sha256"])

    def _records(self, folder: Path) -> Iterator[tuple[TargetFile, Mapping[str, Any]]]:
        if self.target.model.ledger.keep == "files":
            return
        for file in self.target.model.files:
            names = ["_key", "_identity", "_state", "_hash", "_line"]
            names += [file.command] if file.command else []
            for row in read_rows(folder / f"{file.name}.parquet", names):
                yield file, row
