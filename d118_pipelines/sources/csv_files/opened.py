"""One file about which everything is decided that holds for all its rows.

Belongs here: size, form, header, type, and the rows below the header. Not here: what is
done to a cell (`cells.py`), several files (`source.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.csv_files.arrival import stamp
from d118_pipelines.sources.csv_files.cells import DATE_COLUMNS
from d118_pipelines.sources.csv_files.reading import Form, Row, find_form, read_rows
from d118_pipelines.sources.csv_files.recognition import (
    Layout,
    find_type,
    header_findings,
    match_columns,
    normalised,
)
from d118_pipelines.sources.csv_files.rules import CsvRules, FileType
from d118_pipelines.sources.pull import Finding


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A recognised file. findings: about the file itself, not about its rows."""

    path: Path
    size: int
    stamp: str
    form: Form
    header_line: int
    layout: Layout
    skip_empty_rows: bool
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def origin(self) -> str:
        """`<file>/<collection>`, by which rows and findings know the file."""
        return origin(self.path, self.layout)

    def rows(self) -> Iterator[Row]:
        """The rows below the header, without empty ones unless they are wanted."""
        for row in read_rows(self.path, self.form):
            if row.line > self.header_line and not self._is_dropped(row):
                yield row

    def dates(self) -> Counter[str]:
        """Every non-empty date of the file and how often; a reading of its own."""
        places = [p for c, p in self.layout.places.items() if c in DATE_COLUMNS]
        values: Counter[str] = Counter()
        width = len(self.layout.header)
        for row in self.rows() if places else ():
            if not row.fault and len(row.cells) == width:
                values.update(row.cells[place].strip() for place in places)
        del values[""]
        return values

    def check_unchanged(self) -> None:
        """Raises: IncompleteExtractError (csv.file_changed) if somebody wrote to it."""
        if stamp(self.path) != self.stamp:
            raise IncompleteExtractError(
                f"FAILED csv.file_changed  {self.name} changed while it was read.",
                where=self.name,
                rule="files stand still from the first look to the last row",
                not_done="Nothing of this pull was stored.",
                next_step="Run again when the upload has ended.",
            )

    def _is_dropped(self, row: Row) -> bool:
        is_empty = not row.fault and not any(map(str.strip, row.cells))
        return is_empty and self.skip_empty_rows


def origin(path: Path, layout: Layout) -> str:
    """`<file>/<collection>`: a person finds the file in it, staging the collection."""
    return f"{path.name}/{layout.collection}"


def open_file(
    path: Path,
    rules: CsvRules,
    *,
    explicit: FileType | None,
    encoding: str | None,
    max_size: int,
) -> OpenedFile:
    """Look at a file, in the order size, encoding, header.

    Raises: IncompleteExtractError naming the file, if it cannot be used as a whole.
    """
    seen = stamp(path)
    size = path.stat().st_size
    if size > max_size:
        raise too_large(path.name, size, max_size)
    processing, detection = rules.file_processing, rules.format_detection
    form = find_form(path, encoding=encoding, detect=processing.encoding_detection)
    line, raw = _header(path, form)
    header = [normalised(name) for name in raw]
    layout = match_columns(
        path.name, find_type(path.name, header, rules, explicit), header, detection
    )
    findings = header_findings(origin(path, layout), line, raw, layout, detection)
    if form.is_fallback:
        told = f"read as {form.encoding}"
        seen_as = origin(path, layout)
        findings.append(Finding("csv.encoding", "warn", seen_as, detail=told))
    skip = processing.skip_empty_rows
    return OpenedFile(path, size, seen, form, line, layout, skip, tuple(findings))


def _header(path: Path, form: Form) -> tuple[int, Sequence[str]]:
    for row in read_rows(path, form):
        if row.fault:
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
