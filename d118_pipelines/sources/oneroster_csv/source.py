"""A provider that hands over OneRoster CSV file sets.

Made by `workflows/providers/provider_sources.py`. It has the order of a pull and of a
test; where files come from is in `place.py`, their form in `reading.py`, judgements in
`file_set.py` and `modes.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from d118_pipelines.errors import D118Error, IncompleteExtractError
from d118_pipelines.kernel.finding import Findings, refusal
from d118_pipelines.sources.oneroster_csv.container import (
    Container,
    content_hash,
    open_container,
)
from d118_pipelines.sources.oneroster_csv.file_set import SUFFIX, FileSet, open_set
from d118_pipelines.sources.oneroster_csv.headers import Layout, check_header
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.manifest import Assumed
from d118_pipelines.sources.oneroster_csv.modes import (
    Rules,
    check_dependencies,
    judge_file,
    judge_spreadsheet,
    report_values,
)
from d118_pipelines.sources.oneroster_csv.place import Place
from d118_pipelines.sources.oneroster_csv.reading import FileReader, Sink
from d118_pipelines.sources.oneroster_csv.tables import COLLECTIONS, table_of
from d118_pipelines.sources.oneroster_csv.values import LINE, RowCounts, stored_names
from d118_pipelines.sources.pull import ConnectionReport

if TYPE_CHECKING:
    import pyarrow as pa

    from d118_pipelines.sources.pull import CollectionWriter, PullStore

ROWS_PER_WRITE = 500_000


@dataclass(frozen=True, slots=True)
class OneRosterCsvSource:
    """Reads the set at a place; keeps `RosterSource`.

    file_names: names that differ from the standard, as `{"users": "people.csv"}`.
    is_careful: read record by record, without the fast way. assumed: of a set without
    manifest.
    """

    kind: ClassVar[str] = "ONEROSTER_CSV"
    # The rostering files, without `.csv`; all are written, some empty.
    collections: ClassVar[Sequence[str]] = COLLECTIONS

    place: Place
    file_names: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    is_careful: bool = False
    assumed: Assumed | None = None

    def test(self) -> ConnectionReport:
        """Open the set, read its manifest and headers, and say what is there."""
        started = time.monotonic()
        try:
            message, details = self._look()
            success = True
        except D118Error as exc:
            message, details, success = exc.what, {}, False
        seconds = round(time.monotonic() - started, 3)
        return ConnectionReport(success, message, seconds, details)

    def pull(self, store: PullStore) -> None:
        """Write every collection. Raises: IncompleteExtractError with the rule's code."""
        findings = Findings()
        try:
            with self.place.local_copy(store.folder, self.limits) as found:
                with open_container(found, findings, self.limits) as container:
                    file_set = self._open_set(container, findings)
                    _Pulling(self, store, file_set, findings).run()
                store.details["content_hash"] = content_hash(found)
        finally:
            store.findings.extend(findings.all())

    def _look(self) -> tuple[str, dict[str, str]]:
        findings = Findings()
        with self.place.glance(self.limits, findings) as container:
            if container is None:
                return "The archive is there; a sync opens it.", {}
            file_set = self._open_set(container, findings)
            for file in file_set.members:
                self.check_header(file_set, file, findings)
        details = {"version": file_set.version}
        for file in COLLECTIONS:
            is_there = file in file_set.members
            details[file] = str(file_set.modes.get(file)) if is_there else "not there"
        message = f"OneRoster {file_set.version}, {len(file_set.members)} data files"
        return message, details

    def _open_set(self, container: Container, findings: Findings) -> FileSet:
        return open_set(container, findings, self.limits, self.file_names, self.assumed)

    def check_header(self, file_set: FileSet, file: str, findings: Findings) -> None:
        """Judge the header alone. Raises: IncompleteExtractError for a file that is
        stored; what is wrong with another one is a warning."""
        member = file_set.members[file]
        reader = FileReader(member, file + SUFFIX, findings, self.limits)
        try:
            header_check(self, file_set, file, findings)(reader.header())
        except IncompleteExtractError as exc:
            if file in COLLECTIONS:
                raise
            found = refusal(exc)
            detail = f"not stored; {found.detail}"
            findings.add(found.code, "warn", file + SUFFIX, detail=detail)


def header_check(
    source: OneRosterCsvSource, file_set: FileSet, file: str, findings: Findings
) -> partial[Layout]:
    """The check of one file's header; takes the names."""
    return partial(
        check_header,
        file=file + SUFFIX,
        table=table_of(file, file_set.version),
        findings=findings,
        limits=source.limits,
        is_delta=file_set.mode_of(file) == "delta",
    )


class _Pulling:
    """One pull of one set into one store."""

    def __init__(
        self,
        source: OneRosterCsvSource,
        store: PullStore,
        file_set: FileSet,
        findings: Findings,
    ) -> None:
        self._source, self._store = source, store
        self._set, self._findings = file_set, findings
        self._facts: dict[str, RowCounts] = {}

    def run(self) -> None:
        self._store.details["version"] = self._set.version
        for file in sorted(self._set.members.keys() - set(COLLECTIONS)):
            self._source.check_header(self._set, file, self._findings)
        for collection in COLLECTIONS:
            self._write(collection)
        check_dependencies(self._set, self._facts, self._findings)
        judge_spreadsheet(self._facts, self._findings)

    def _write(self, collection: str) -> None:
        target = _Target(self._store, collection)
        if collection not in self._set.members:
            target.start()
            target.flush()
            target.writer.finish(absence="never")
            return
        facts = self._read(collection, target.start)
        target.flush()
        declared = self._set.mode_of(collection)
        reading = judge_file(
            collection, declared, facts, self._source.rules, self._findings
        )
        report_values(collection, facts, self._findings, is_delta=reading.is_delta)
        mode = self._set.modes.get(collection, "undeclared")
        self._store.details[f"mode.{collection}"] = str(mode)
        target.writer.finish(
            absence=reading.absence,
            is_delta=reading.is_delta,
            size_bytes=facts.bytes_read,
        )

    def _read(self, file: str, start: Callable[[], Sink]) -> RowCounts:
        reader = FileReader(
            self._set.members[file],
            file + SUFFIX,
            self._findings,
            self._source.limits,
            is_careful=self._source.is_careful,
        )
        check = header_check(self._source, self._set, file, self._findings)
        self._facts[file] = reader.read(check, start)
        return self._facts[file]


class _Target:
    """Gathers small tables for one collection; begins again where reading does."""

    writer: CollectionWriter

    def __init__(self, store: PullStore, collection: str) -> None:
        self._store, self._collection = store, collection
        self._pending: list[pa.Table] = []
        self._has_begun = False

    def start(self) -> Sink:
        """An empty collection with its columns, in place of one begun before."""
        import pyarrow as pa

        if self._has_begun:
            self.writer.finish(absence="never")
        self._has_begun = True
        self.writer = self._store.collection(self._collection)
        self._pending = []
        names = stored_names(self._collection)
        schema = pa.schema(
            [*((name, pa.string()) for name in names), (LINE, pa.int64())]
        )
        # Not empty_table(): it imports pandas.
        self._empty = pa.Table.from_batches([], schema)
        return self._add

    def flush(self) -> None:
        """Write what was gathered, at the least the columns."""
        import pyarrow as pa

        tables = self._pending or ([self._empty] if not self.writer.rows else [])
        if tables:
            self.writer.add_table(pa.concat_tables(tables))
        self._pending = []

    def _add(self, table: pa.Table) -> None:
        self._pending.append(table)
        if sum(part.num_rows for part in self._pending) >= ROWS_PER_WRITE:
            self.flush()
