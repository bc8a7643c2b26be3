"""From the bytes of a file to rows of cells, each with its physical line.

Belongs here: encoding, delimiter, quotes, line ends. Not here: what a header or a cell
means. Rule: docs/reference/csv_files.md, reading.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.errors import IncompleteExtractError

DELIMITERS = ",;\t|"
# A row of more lines is a quotation mark that was never closed.
MOST_LINES_OF_A_ROW = 100
_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `fault` is the code of what makes it unreadable; `cells` is then what is
    certain of it: its first cell, or nothing."""

    line: int
    cells: Sequence[str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written; decided once for the whole file."""

    encoding: str
    is_fallback: bool
    delimiter: str


def find_form(path: Path, *, encoding: str | None, detect: bool) -> Form:
    """Decide encoding and delimiter of a file.

    encoding: the configured one. A byte-order mark goes before it; without either,
    and where `detect` is on, strict UTF-8, then cp1252, then latin-1.
    Raises: IncompleteExtractError (csv.bad_encoding) if no candidate reads it all.
    """
    start = _read_start(path)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if marked:
        candidates = [marked]
    elif encoding:
        candidates = [encoding]
    else:
        candidates = ["utf-8", "cp1252", "latin-1"] if detect else ["utf-8"]
    for name in candidates:
        if _decodes(path, name):
            return Form(name, name != candidates[0], _find_delimiter(path, name))
    raise IncompleteExtractError(
        f"FAILED csv.bad_encoding  {path.name} is not written in {candidates[0]}.",
        where=path.name,
        rule="one encoding for the whole file",
        not_done="Nothing of this pull was stored.",
        next_step="Save the file as CSV UTF-8 and drop it again.",
    )


def read_rows(path: Path, form: Form) -> Iterator[Row]:
    """Every row of the file, the header among them; a quoted line end is no row's end.

    A row whose quotation marks make no sense costs only its own first line: the lines
    that it swallowed are read again.
    """
    with path.open(encoding=form.encoding, newline="") as stream:
        lines = _Lines(stream)
        reader = csv.reader(
            lines, delimiter=form.delimiter, skipinitialspace=True, strict=True
        )
        while True:
            lines.begin_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                first = lines.give_back().split(form.delimiter)[0].strip()
                certain = [first] if '"' not in first else []
                yield Row(lines.line, certain, "csv.bad_quotes")
                continue
            fault = "csv.nul_byte" if "\0" in "".join(cells) else ""
            yield Row(lines.line, _until_nul(cells) if fault else cells, fault)


def _until_nul(cells: Sequence[str]) -> Sequence[str]:
    return cells[:1] if "\0" not in cells[0] else []


class _Lines:
    """Physical lines for one row at a time, with a way back."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.line = 1  # where the present row begins

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._taken) >= MOST_LINES_OF_A_ROW:
            raise StopIteration
        text = self._again.popleft() if self._again else next(self._stream)
        self._taken.append(text)
        return text

    def begin_row(self) -> None:
        self.line += len(self._taken)
        self._taken.clear()

    def give_back(self) -> str:
        """Return the first line of the row; all others will be read again."""
        self._again.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]
        return self._taken[0]


def _read_start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as stream:
        try:
            while block := stream.read(_READ_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _find_delimiter(path: Path, encoding: str) -> str:
    """The candidate that stands most often outside quotes in the first filled line."""
    with path.open(encoding=encoding, newline="") as stream:
        header = next((line for line in stream if line.strip()), "")
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count)
