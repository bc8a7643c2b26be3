"""One file, with all that holds for every row: encoding, delimiter, header.

Called by `source.py`, which reads several of them; what is done to a cell is in
`cells.py`. Rule: docs/reference/csv_files.md, reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.csv_files.arrival import stamp
from d118_pipelines.sources.csv_files.cells import DATE_COLUMNS
from d118_pipelines.sources.csv_files.recognition import (
    Layout,
    find_type,
    match_columns,
    normalised,
    report_header,
)
from d118_pipelines.sources.csv_files.rules import CsvRules, FileType
from d118_pipelines.sources.delimited.blocks import Blocks, odd_lines
from d118_pipelines.sources.delimited.encodings import (
    BY_BYTE,
    MIXED,
    UTF8,
    UnreadableError,
    decodes,
    marked_encoding,
)
from d118_pipelines.sources.delimited.records import file_chunks, read_records
from d118_pipelines.sources.delimited.splitter import Dialect, Record

DELIMITERS = ",;\t|"
# A row of more lines is a quotation mark that was never closed; so is a huge cell.
MOST_LINES_OF_A_ROW = 100
_MOST_CHARS_OF_A_CELL = 131_072


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written; `is_fallback`: it is not in the encoding first thought of."""

    encoding: str
    is_fallback: bool
    delimiter: str

    @property
    def dialect(self) -> Dialect:
        """As people write CSV files, and spreadsheets read them."""
        return Dialect(
            self.delimiter,
            skips_blanks=True,
            has_bare_quotes=True,
            max_lines=MOST_LINES_OF_A_ROW,
            max_cell_chars=_MOST_CHARS_OF_A_CELL,
        )


@dataclass(frozen=True, slots=True)
class ReadableFile:
    """A file that can be read as a whole. header: the names as they stand in it."""

    path: Path
    size: int
    stamp: str
    form: Form
    header_line: int
    header: Sequence[str]
    skip_empty_rows: bool

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def rows(self) -> Iterator[Record]:
        """The rows below the header, without empty ones unless they are wanted.

        Raises: IncompleteExtractError (csv.cut_off) if the file ends within a row.
        """
        form, width = self.form, len(self.header)
        try:
            for row in read_records(self.path, form.dialect, form.encoding, width):
                is_empty = row.problem in ("", "blank", "ragged") and not any(
                    map(str.strip, row.cells)
                )
                if row.line <= self.header_line or (is_empty and self.skip_empty_rows):
                    continue
                yield row._replace(problem="ragged") if row.problem == "blank" else row
        except UnreadableError as exc:
            self.check_unchanged()
            raise IncompleteExtractError(
                f"FAILED csv.cut_off  {exc.what}",
                where=f"{self.name}, line {exc.line}",
                rule="a last row without line end has all its cells",
                not_done="Nothing of this pull was stored.",
                next_step="Drop the file again, whole.",
            ) from None

    def check_unchanged(self) -> None:
        """Raises: IncompleteExtractError (csv.file_changed) if the file changed."""
        if stamp(self.path) != self.stamp:
            raise IncompleteExtractError(
                f"FAILED csv.file_changed  {self.name} changed while it was read.",
                where=self.name,
                rule="files do not change between the first check and the last row",
                not_done="Nothing of this pull was stored.",
                next_step="Run again when the upload has ended.",
            )

    def values_at(self, places: Collection[int]) -> Counter[str]:
        """Every non-empty value of these cells and how often; a reading of its own."""
        values: Counter[str] = Counter()
        for row in self.rows() if places else ():
            if not row.problem:
                values.update(row.cells[place].strip() for place in places)
        del values[""]
        return values

    def report_encoding(self, findings: Findings, origin: str) -> None:
        """Note what is not in the encoding first thought of."""
        if self.form.encoding == MIXED:
            for line, _, is_utf8 in odd_lines(Blocks(file_chunks(self.path), 0)):
                if not is_utf8:
                    told = "what is not UTF-8 in this row is read as cp1252"
                    findings.add("csv.encoding", "warn", origin, line=line, detail=told)
        elif self.form.is_fallback:
            told = f"read as {self.form.encoding}"
            findings.add("csv.encoding", "warn", origin, detail=told)


@dataclass(frozen=True, slots=True)
class OpenedFile(ReadableFile):
    """A recognised file."""

    layout: Layout

    @property
    def origin(self) -> str:
        """`<file>/<collection>`: a person finds the file in it, staging the collection."""
        return f"{self.path.name}/{self.layout.collection}"

    def dates(self) -> Counter[str]:
        """Every non-empty date of the file and how often; a reading of its own."""
        places = [p for c, p in self.layout.places.items() if c in DATE_COLUMNS]
        return self.values_at(places)


def open_readable(
    path: Path,
    *,
    encoding: str | None,
    max_size: int,
    detect: bool = True,
    skip_empty_rows: bool = True,
) -> ReadableFile:
    """Look at a file, in the order size, encoding, header; encoding, detect: `find_form`.

    Raises: IncompleteExtractError naming the file, if it cannot be used as a whole.
    """
    seen = stamp(path)
    size = path.stat().st_size
    if size > max_size:
        raise too_large(path.name, size, max_size)
    form = find_form(path, encoding=encoding, detect=detect)
    line, header = _header(path, form)
    return ReadableFile(path, size, seen, form, line, header, skip_empty_rows)


def open_file(
    path: Path,
    rules: CsvRules,
    *,
    explicit: FileType | None,
    encoding: str | None,
    max_size: int,
    findings: Findings,
) -> OpenedFile:
    """Look at a file, in the order size, encoding, header.

    findings: gets what is odd about the file itself, not about its rows.

    Raises: IncompleteExtractError naming the file, if it cannot be used as a whole.
    """
    processing, detection = rules.file_processing, rules.format_detection
    read = open_readable(
        path,
        encoding=encoding,
        max_size=max_size,
        detect=processing.encoding_detection,
        skip_empty_rows=processing.skip_empty_rows,
    )
    header = [normalised(name) for name in read.header]
    layout = match_columns(
        path.name, find_type(path.name, header, rules, explicit), header, detection
    )
    file = OpenedFile(
        *(read.path, read.size, read.stamp, read.form, read.header_line),
        *(read.header, read.skip_empty_rows, layout),
    )
    report_header(
        findings, file.origin, read.header_line, read.header, layout, detection
    )
    file.report_encoding(findings, file.origin)
    return file


def find_form(path: Path, *, encoding: str | None, detect: bool) -> Form:
    """Decide encoding and delimiter of a file.

    encoding: the configured one. A byte-order mark goes before it; without either,
    and where `detect` is on, strict UTF-8, then UTF-8 with rows in cp1252, then cp1252,
    then latin-1.
    Raises: IncompleteExtractError (csv.bad_encoding) if no candidate reads it all.
    """
    given = marked_encoding(next(file_chunks(path), b"")) or encoding
    candidates = [given or "utf-8"]
    if detect and (not given or given == "utf-8-sig"):
        lines = odd_lines(Blocks(file_chunks(path), 0))
        is_mixed = any(is_utf8 for *_, is_utf8 in lines)
        candidates += [MIXED] if is_mixed else ["cp1252", "latin-1"]
    for name in candidates:
        if decodes(file_chunks(path), name):
            return Form(name, name != candidates[0], _find_delimiter(path, name))
    raise IncompleteExtractError(
        f"FAILED csv.bad_encoding  {path.name} is not written in {candidates[0]}.",
        where=path.name,
        rule="one encoding for the whole file",
        not_done="Nothing of this pull was stored.",
        next_step="Save the file as CSV UTF-8 and drop it again.",
    )


def _find_delimiter(path: Path, encoding: str) -> str:
    """The most frequent candidate outside quotes in the first filled line."""
    errors = BY_BYTE if encoding == MIXED else "strict"
    encoding = UTF8 if encoding == MIXED else encoding
    with path.open(encoding=encoding, errors=errors, newline="") as stream:
        header = next((line for line in stream if line.strip()), "")
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


def _header(path: Path, form: Form) -> tuple[int, Sequence[str]]:
    for row in read_records(path, form.dialect, form.encoding):
        if row.problem not in ("", "blank"):
            break
        if any(cell.strip() for cell in row.cells):
            return row.line, row.cells
    raise IncompleteExtractError(
        f"FAILED csv.header_missing  {path.name} has no header.",
        where=path.name,
        rule="the first filled row has the names of the columns",
        not_done="Nothing of this pull was stored.",
        next_step="Add the header as in examples/csv/, or remove the file.",
    )


def too_large(name: str, size: int, most: int) -> IncompleteExtractError:
    """The error for a file of more than `most` bytes."""
    return IncompleteExtractError(
        f"FAILED csv.file_too_large  {name} has {size:,} bytes.",
        where=name,
        rule=f"a file has at most {most:,} bytes",
        not_done="Nothing was read.",
        next_step="Split the file, or raise CSV_MAX_FILE_SIZE in .env.",
    )
