"""The source: each declared file of a vendor becomes one extract, all of them or none.

Made by `workflows/providers/provider_sources.py`; files are opened and split as
spreadsheets are (`sources/csv_files`). Rule: docs/reference/vendor_files.md.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.config.provider_types import VendorTable
from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.arrow_arrays import arrow_array
from d118_pipelines.kernel.finding import Findings, Level
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.kernel.text import clean_text
from d118_pipelines.sources.csv_files.cells import UNREADABLE_ROWS
from d118_pipelines.sources.csv_files.dates import DateOrder, choose_form
from d118_pipelines.sources.csv_files.opened import ReadableFile, open_readable
from d118_pipelines.sources.delimited.splitter import Record
from d118_pipelines.sources.pull import ConnectionReport, PullStore, try_files
from d118_pipelines.sources.vendor_file.cells import Value, read_value

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 10_000
_EPOCH = dt.date(1970, 1, 1).toordinal()
_DETAIL = "file:"  # prefix of a file's entry in the pull's details
Row = dict[str, Value | None]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of one file that was read.

    lines: rows below the header, of which `rejected` were left out. sha256: of its
    bytes. modified: when it was last changed, in seconds since 1970 UTC.
    """

    name: str
    lines: int
    rejected: int
    sha256: str
    modified: float


class VendorFileSource:
    """The declared files of a folder as a RosterSource.

    place: gives the folder for the time of one look or pull. tables: name of the extract
    -> its file. max_file_size: bytes; a larger file is refused before it is read.
    """

    kind = "VENDOR_FILE"

    def __init__(
        self,
        place: Callable[[], AbstractContextManager[Path]],
        tables: Mapping[str, VendorTable],
        *,
        encoding: str | None,
        date_order: DateOrder,
        max_file_size: int,
    ) -> None:
        self._place, self._tables = place, tables
        self._encoding, self._date_order = encoding, date_order
        self._max_file_size = max_file_size

    @property
    def collections(self) -> Sequence[str]:
        """The names of the extracts."""
        return list(self._tables)

    def test(self) -> ConnectionReport:
        """Open every file and look for its columns, without raising."""

        def look(folder: Path, name: str) -> str:
            table = self._tables[name]
            file = self._open(folder, table)
            _places(file, name, table, Findings())
            return file.name

        return try_files(self._place, lambda _: self._tables, look, "found")

    def pull(self, store: PullStore) -> None:
        """Write every extract.

        Raises: IncompleteExtractError naming the file if one cannot be used as a whole.
        """
        findings = Findings()
        try:
            with self._place() as folder:
                for name, table in self._tables.items():
                    self._read(folder, name, table, findings, store)
        finally:
            store.findings += findings.all()

    def _open(self, folder: Path, table: VendorTable) -> ReadableFile:
        path = newest_file(folder, table.file)
        if path is None:
            raise IncompleteExtractError(
                f"FAILED csv.file_absent  {table.file} is missing.",
                where="the folder of the provider",
                rule="every file that `files` declares is there",
                not_done="Nothing of this pull was stored.",
                next_step="Ask the vendor for the file, then run again.",
            )
        size = self._max_file_size
        return open_readable(path, encoding=self._encoding, max_size=size)

    def _read(
        self,
        folder: Path,
        name: str,
        table: VendorTable,
        findings: Findings,
        store: PullStore,
    ) -> None:
        file = self._open(folder, table)
        origin = f"{file.name}/{name}"
        places = _places(file, name, table, findings)
        file.report_encoding(findings, origin)
        dates = [p for c, p in places.items() if table.columns[c].type == "date"]
        form = choose_form(file.values_at(dates), self._date_order)
        reader = _Reader(origin, table, places, form, findings)
        writer = store.collection(name)
        writer.add_table(_batch([], table))
        rows = reader.rows(file.rows())
        while chunk := list(islice(rows, _CHUNK)):
            writer.add_table(_batch(chunk, table))
        facts = FileFacts(
            name=file.name,
            lines=reader.lines,
            rejected=reader.lines - writer.rows,
            sha256=sha256_of(file.path),
            modified=file.path.stat().st_mtime,
        )
        file.check_unchanged()
        writer.finish(absence="never", size_bytes=file.size)
        told = {slot: getattr(facts, slot) for slot in FileFacts.__slots__}
        store.details[_DETAIL + name] = json.dumps(told)


def read_facts(details: Mapping[str, str]) -> dict[str, FileFacts]:
    """Name of the extract -> what its pull noted of the file."""
    return {
        key.removeprefix(_DETAIL): FileFacts(**json.loads(text))
        for key, text in details.items()
        if key.startswith(_DETAIL)
    }


def newest_file(folder: Path, pattern: str) -> Path | None:
    """The file of that name or pattern that was changed last, or None."""
    found = [
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if is_wanted(path.name, pattern) and path.is_file()
    ]
    return max(found, key=lambda path: (path.stat().st_mtime, path.name), default=None)


def is_wanted(name: str, pattern: str) -> bool:
    """Whether a visible file's name fits, in any case of letters."""
    return name[0] != "." and fnmatchcase(name.casefold(), pattern.casefold())


@dataclass(slots=True)
class _Reader:
    """Reads the rows of one file; what is wrong with them goes into `findings`."""

    origin: str
    table: VendorTable
    places: Mapping[str, int]
    date_form: str | None
    findings: Findings
    lines: int = 0

    def rows(self, records: Iterator[Record]) -> Iterator[tuple[int, Row]]:
        """The line and the values of each good row."""
        seen: set[tuple[Value | None, ...]] = set()
        names = self.table.key
        for record in records:
            self.lines += 1
            row = self._row(record)
            if row is None:
                continue
            key = tuple(row[name] for name in names)
            if key and key in seen:
                self._note("file.duplicate_key", "reject", record, names[0], row)
                continue
            seen.add(key)
            yield record.line, row

    def _row(self, record: Record) -> Row | None:
        if record.problem:
            code = UNREADABLE_ROWS[record.problem]
            self.findings.add(code, "reject", self.origin, line=record.line)
            return None
        row: dict[str, Value | None] = {}
        faults: list[tuple[str, Level, str]] = []
        for name, column in self.table.columns.items():
            place = self.places.get(name)
            text = clean_text(record.cells[place]).strip() if place is not None else ""
            row[name] = read_value(text, column.type, self.date_form) if text else None
            if row[name] is None and (text or self.table.is_needed(name)):
                code = "file.bad_value" if text else "file.missing_value"
                is_needed = self.table.is_needed(name)
                faults.append((code, "reject" if is_needed else "warn", name))
        for code, level, name in faults:
            self._note(code, level, record, name, row)
        is_good = all(level == "warn" for _, level, _ in faults)
        return row if is_good else None

    def _note(
        self, code: str, level: Level, record: Record, field: str, row: Row
    ) -> None:
        """A finding with the row's key, if it has a whole one; no value is in it."""
        key = [row[name] for name in self.table.key]
        self.findings.add(
            *(code, level, self.origin),
            line=record.line,
            field=field,
            key=None if None in key else " ".join(map(str, key)),
        )


def _places(
    file: ReadableFile, name: str, table: VendorTable, findings: Findings
) -> dict[str, int]:
    """Column -> its cell. Raises: IncompleteExtractError for one that rows need."""
    header = [cell.strip().casefold() for cell in file.header]
    places: dict[str, int] = {}
    for column in table.columns:
        wanted = table.header_of(column)
        found = [
            n for n, cell in enumerate(header) if cell == wanted.strip().casefold()
        ]
        if len(found) == 1:
            places[column] = found[0]
            continue
        what = "is missing" if not found else "is there more than once"
        if found or table.is_needed(column):
            raise IncompleteExtractError(
                f"FAILED file.missing_column  The column {wanted} {what}.",
                where=f"{file.name}/{name}, header",
                rule="each column of the key, and each required one, is there once",
                not_done="Nothing of this pull was stored.",
                next_step="Ask the vendor, or correct `columns` of the provider.",
            )
        findings.add("file.absent_column", "warn", f"{file.name}/{name}", field=column)
    return places


def _batch(rows: Sequence[tuple[int, Row]], table: VendorTable) -> pa.RecordBatch:
    """The declared columns with their types, and the line of each row."""
    import pyarrow as pa  # heavy: only while a pull is written

    kinds = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64()}
    arrays = {}
    for name, column in table.columns.items():
        values = [row[name] for _, row in rows]
        if column.type == "date":
            days = [
                v.toordinal() - _EPOCH if isinstance(v, dt.date) else v for v in values
            ]
            arrays[name] = arrow_array(days, pa.int32()).view(pa.date32())
        else:
            arrays[name] = arrow_array(values, kinds[column.type])
    arrays["_line"] = arrow_array([line for line, _ in rows], pa.int64())
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
