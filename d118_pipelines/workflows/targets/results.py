"""Reading back what a vendor says of a delivery: accepted, or rejected and why.

Called by `assets/results.py`, at the begin of the target's next run. What counts as an
answer is in `targets/results.py`, how a file is read in
`sources/vendor_file/answers.py`. Rule: docs/reference/vendor_files.md, results.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.errors import D118Error, IncompleteExtractError
from d118_pipelines.sources.csv_files.remote import fetched, local_files
from d118_pipelines.sources.vendor_file.answers import read_answers
from d118_pipelines.sources.vendor_file.source import is_wanted
from d118_pipelines.ssh.folder import RemoteFile
from d118_pipelines.state import database as db
from d118_pipelines.state.database import CLOCK_TOLERANCE, Database
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.destination_model import SftpDestination
from d118_pipelines.targets.model import Results
from d118_pipelines.targets.results import judge_answers, record_outcomes
from d118_pipelines.targets.tables import read_rows
from d118_pipelines.workflows.providers.provider_sources import largest_file
from d118_pipelines.workflows.targets.destinations import file_settings, resolve

_NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Known = set[tuple[str, int, dt.datetime]]


def read_results(project: Project, target: Target, *, now: dt.datetime) -> Counter[str]:
    """Read every result file that was not read yet; counts of files, rows and outcomes.

    A file that was read before changes nothing. Where the place cannot be read, that is
    a finding and raised. Raises: D118Error of the connection; what is recorded stays.
    """
    wanted = target.model.results
    assert wanted is not None
    destination = resolve(project, target).id
    reading = _Reading(project, target, wanted, destination, now)
    try:
        with _place(project, target, wanted, reading) as folder:
            files = sorted(local_files(folder), key=lambda one: one.mtime_seconds)
            done = Counter[str](files=0)
            for file in files:
                if reading.wants(file):
                    done += reading.read(folder, file) + Counter(files=1)
    except D118Error:
        reading.note(RemoteFile(wanted.file, 0, 0), problem="results.not_read")
        raise
    reading.forget_outage()
    return done


class _Reading:
    """One look at a target's result files."""

    def __init__(
        self,
        project: Project,
        target: Target,
        wanted: Results,
        destination: str,
        now: dt.datetime,
    ) -> None:
        self._project, self._target, self._wanted = project, target, wanted
        self._destination, self._now = destination, now
        self._database: Database = state_database(project)
        self._known = self._read_before()

    def _read_before(self) -> Known:
        f = db.result_files.c
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(f.name, f.size_bytes, f.modified).where(
                    *self._mine(), f.problem != "results.unreadable"
                )
            )
            return {(row.name, row.size_bytes, row.modified) for row in rows}

    def wants(self, file: RemoteFile) -> bool:
        """Whether it is a result file that was not read yet."""
        is_new = (file.name, file.size_bytes, _time(file)) not in self._known
        return is_new and is_wanted(file.name, self._wanted.file)

    def read(self, folder: Path, file: RemoteFile) -> Counter[str]:
        """Record one file; the numbers of its outcomes."""
        wanted, at = self._wanted, _time(file)
        delivery = self._answered(at)
        try:
            answers = list(
                read_answers(
                    folder / file.name,
                    key=wanted.key,
                    status=wanted.status,
                    reason=wanted.reason,
                    encoding=wanted.encoding,
                    max_size=largest_file(),
                )
            )
        except IncompleteExtractError:
            self.note(file, problem="results.unreadable")
            return Counter()
        said = ((one.key, one.status, one.reason) for one in answers)
        found = judge_answers(said, self._sent(delivery), wanted)
        if delivery is None or found.is_of_another_set:
            self.note(file, problem="results.other_set")
            return Counter()
        with self._database.transaction() as connection:
            record_outcomes(
                connection,
                found,
                target=self._target.name,
                destination=self._destination,
                record_type=self._target.answered_file.record_type,
                delivery=delivery.id,
                answered_at=at,
            )
            self._enter(connection, file, delivery.id, "", dict(found.counts))
        return found.counts

    def note(self, file: RemoteFile, *, problem: str) -> None:
        """Keep that a file says nothing, and why."""
        with self._database.transaction() as connection:
            self._enter(connection, file, None, problem, {})

    def forget_outage(self) -> None:
        """The place could be read."""
        f = db.result_files
        with self._database.transaction() as connection:
            connection.execute(
                f.delete().where(*self._mine(), f.c.problem == "results.not_read")
            )

    def _enter(
        self,
        connection: sa.Connection,
        file: RemoteFile,
        delivery: str | None,
        problem: str,
        counts: dict[str, int],
    ) -> None:
        f = db.result_files
        same = (f.c.name == file.name, f.c.size_bytes == file.size_bytes)
        at = _time(file)
        connection.execute(f.delete().where(*self._mine(), *same, f.c.modified == at))
        connection.execute(
            f.insert().values(
                target=self._target.name,
                destination=self._destination,
                name=file.name,
                size_bytes=file.size_bytes,
                modified=at,
                delivery=delivery,
                problem=problem,
                counts=counts,
                read_at=self._now,
            )
        )

    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        f = db.result_files.c
        return f.target == self._target.name, f.destination == self._destination

    def _answered(self, at: dt.datetime) -> sa.Row[Any] | None:
        """The delivery that was the newest when the file was written, or None."""
        d = db.deliveries.c
        with self._database.reading() as connection:
            return connection.execute(
                sa.select(d.id, d.folder)
                .where(d.target == self._target.name)
                .where(d.destination == self._destination, d.status.in_(db.COUNTS))
                .where(d.started_at <= at + CLOCK_TOLERANCE)
                .order_by(d.number.desc())
                .limit(1)
            ).first()

    def _sent(self, delivery: sa.Row[Any] | None) -> dict[str, list[str]]:
        """Value of the column that the vendor repeats -> keys of the set's records."""
        sent: dict[str, list[str]] = defaultdict(list)
        if delivery is None:
            return sent
        name = self._target.answered_file.name
        table = self._project.home / delivery.folder / f"{name}.parquet"
        for row in (
            read_rows(table, [self._wanted.column, "_key"]) if table.is_file() else ()
        ):
            sent[str(row[self._wanted.column] or "").strip()].append(row["_key"])
        sent.pop("", None)
        return sent


@contextmanager
def _place(
    project: Project, target: Target, wanted: Results, reading: _Reading
) -> Iterator[Path]:
    """A folder with the files to read: the outbox, else fetched from the server."""
    settings = file_settings(project, target)
    if settings is None:
        yield project.home / "outbox" / target.name
        return
    assert isinstance(target.model.destination, SftpDestination)
    if wanted.directory:
        settings = replace(settings, directory=wanted.directory)
    with fetched(
        settings,
        max_file_size=largest_file(),
        scratch=project.folder("tmp"),
        wanted=reading.wants,
    ) as folder:
        yield folder


def _time(file: RemoteFile) -> dt.datetime:
    return _NEVER + dt.timedelta(seconds=file.mtime_seconds)
