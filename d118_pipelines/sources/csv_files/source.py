"""The source: a folder of CSV files becomes one pull, all of them or none.

Made by `workflows/providers/provider_sources.py`, for SFTP by way of `remote.py`; when
a folder is complete is in `arrival.py`, one file in `opened.py`. Rule:
docs/reference/csv_files.md.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import (
    ConfigurationError,
    IncompleteExtractError,
)
from d118_pipelines.kernel.arrow_arrays import record_batch
from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.csv_files.arrival import csv_files
from d118_pipelines.sources.csv_files.cells import Row, RowReader
from d118_pipelines.sources.csv_files.dates import DateOrder, choose_form, is_against
from d118_pipelines.sources.csv_files.opened import OpenedFile, open_file
from d118_pipelines.sources.csv_files.rules import (
    COLLECTIONS,
    CollectionName,
    CsvRules,
    FileType,
)
from d118_pipelines.sources.pull import ConnectionReport, PullStore, try_files

if TYPE_CHECKING:
    import pyarrow as pa

MAX_FILE_SIZE = 104_857_600
_DETAIL = "file:"  # prefix of a file's entry in the pull's details


class CsvSource:
    """A folder of `.csv` files as a RosterSource.

    folder: the inbox, or what gives a folder for the time of one look or pull. files:
    file name -> type (schools, classes, users, students, enrollments), where the
    recognition is not wanted. encoding: of files without a byte-order mark; None lets
    it be found. date_order: `mdy` or `dmy`, where a file's dates fit both.
    max_file_size: bytes; a larger file is refused before it is read. district: id and
    name of the district of schools that name none. Raises: ConfigurationError for an
    encoding that does not exist.
    """

    kind = "CSV"
    collections: Sequence[str] = COLLECTIONS

    def __init__(
        self,
        folder: Path | Callable[[], AbstractContextManager[Path]],
        rules: CsvRules,
        *,
        files: Mapping[str, FileType] | None = None,
        encoding: str | None = None,
        date_order: DateOrder = "mdy",
        max_file_size: int = MAX_FILE_SIZE,
        district: tuple[str, str] | None = None,
    ) -> None:
        if encoding is not None:
            _check_encoding(encoding)
        self._place: Callable[[], AbstractContextManager[Path]] = (
            (lambda: nullcontext(folder)) if isinstance(folder, Path) else folder
        )
        self._rules = rules
        self._files = dict(files or {})
        self._encoding, self._date_order = encoding, date_order
        self._max_file_size, self._district = max_file_size, district

    def test(self) -> ConnectionReport:
        """List the files and what each was recognised as, without raising."""

        def files(folder: Path) -> Iterable[str]:
            return [path.name for path in self._paths(folder)]

        def look(folder: Path, name: str) -> str:
            return self._open(folder / name, Findings()).layout.type

        return try_files(self._place, files, look, "recognised")

    def pull(self, store: PullStore) -> None:
        """Write the collections that have files, and enrollments with classes.

        Raises: IncompleteExtractError naming the file if one cannot be used as a whole.
        """
        findings = Findings()
        try:
            with self._place() as folder:
                self._pull(folder, findings, store)
        finally:
            store.findings += findings.all()

    def _pull(self, folder: Path, findings: Findings, store: PullStore) -> None:
        files = [self._open(path, findings) for path in self._paths(folder)]
        _check_headers(files)
        present = {file.layout.collection for file in files}
        if "classes" in present:
            # Its teachers are enrollments too; without a file of them none is gone.
            present.add("enrollments")
        leads: set[tuple[str, str]] = set()
        for name in COLLECTIONS:
            if name in present:
                own = [f for f in files if f.layout.collection == name]
                self._pull_collection(name, own, leads, findings, store)

    def _paths(self, folder: Path) -> list[Path]:
        paths = csv_files(folder)
        absent = sorted(set(self._files) - {path.name for path in paths})
        if absent:
            raise _missing(f"FAILED csv.file_absent  {', '.join(absent)} is missing.")
        if not paths:
            raise _missing(f"FAILED csv.no_files  No file .csv is in {folder}.")
        return paths

    def _open(self, path: Path, findings: Findings) -> OpenedFile:
        return open_file(
            path,
            self._rules,
            explicit=self._files.get(path.name),
            encoding=self._encoding,
            max_size=self._max_file_size,
            findings=findings,
        )

    def _pull_collection(
        self,
        name: CollectionName,
        files: Sequence[OpenedFile],
        leads: set[tuple[str, str]],
        findings: Findings,
        store: PullStore,
    ) -> None:
        writer = store.collection(name)
        columns = list(self._rules.format_detection.columns[name])
        writer.add_table(_batch([], columns, ""))
        for file in files:
            for batch in self._batches(file, leads, findings, store):
                writer.add_table(batch)
        # A file with only a header says nothing about who is gone.
        writer.finish(
            absence="proven" if writer.rows else "never",
            size_bytes=sum(file.size for file in files),
        )

    def _batches(
        self,
        file: OpenedFile,
        leads: set[tuple[str, str]],
        findings: Findings,
        store: PullStore,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a file in chunks; what was decided about it goes to the store."""
        date_form = choose_form(file.dates(), self._date_order)
        if is_against(date_form, self._date_order):
            detail = f"the dates are written {date_form}"
            findings.add("csv.date_order", "warn", file.origin, detail=detail)
        reader = RowReader(
            *(file.origin, file.layout, date_form, findings, self._district, leads)
        )
        rows = _rows(file, reader)
        columns = list(self._rules.format_detection.columns[file.layout.collection])
        accepted = 0
        while chunk := list(islice(rows, self._rules.file_processing.chunk_size)):
            accepted += len(chunk)
            yield _batch(chunk, columns, file.origin)
        file.check_unchanged()
        told = {
            "collection": file.layout.collection,
            "type": file.layout.type,
            "encoding": file.form.encoding,
            "delimiter": file.form.delimiter,
            "date_format": date_form,
            "rows": accepted,
            "rejected": findings.rejected(file.origin),
            "stamp": file.stamp,
        }
        store.details[_DETAIL + file.name] = json.dumps(told)


def read_stamps(details: Mapping[str, str]) -> dict[str, str]:
    """File name -> its stamp when the pull read it: what `archive` needs."""
    return {
        key.removeprefix(_DETAIL): str(json.loads(text)["stamp"])
        for key, text in details.items()
        if key.startswith(_DETAIL)
    }


def _rows(file: OpenedFile, reader: RowReader) -> Iterator[tuple[int, Row]]:
    for record in file.rows():
        row = reader.row(record)
        if row is not None:
            yield record.line, row


def _batch(
    rows: Sequence[tuple[int, Row]], columns: Sequence[str], file: str
) -> pa.RecordBatch:
    """Every canonical column as text, null where the file does not have it."""
    import pyarrow as pa  # heavy: only while a pull is written

    schema = pa.schema(
        [
            *((name, pa.string()) for name in columns),
            ("_line", pa.int64()),
            ("_file", pa.string()),
        ]
    )
    values: dict[str, list[object]] = {
        name: [row.get(name) for _, row in rows] for name in columns
    }
    values["_line"] = [line for line, _ in rows]
    values["_file"] = [file] * len(rows)
    return record_batch(values, schema)


def _missing(what: str) -> IncompleteExtractError:
    return IncompleteExtractError(
        what,
        rule="at least one file, and every one that `files` names",
        not_done="Nothing was read.",
        next_step="Put the files into the folder, then run again.",
    )


def _check_headers(files: Sequence[OpenedFile]) -> None:
    """Raises: IncompleteExtractError if files of one type have different headers."""
    first: dict[str, OpenedFile] = {}
    for file in files:
        other = first.setdefault(file.layout.type, file)
        if other.layout.header != file.layout.header:
            raise IncompleteExtractError(
                f"FAILED csv.headers_differ  {other.name} and {file.name} are both "
                f"{file.layout.type}, with different headers.",
                where=f"{other.name}, {file.name}",
                rule="files of one type have the same columns in the same order",
                not_done="Nothing of this pull was stored.",
                next_step="Make the headers equal, or remove one of the files.",
            )


def _check_encoding(name: str) -> None:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ConfigurationError(
            "The encoding of the provider is not known.",
            rule="a name such as utf-8, cp1252 or utf-16",
            next_step="Correct `encoding` of the provider in config/providers.yaml.",
        ) from None
