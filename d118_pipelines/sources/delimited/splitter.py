"""Text to records, one by one: the careful reader, which says what is wrong and where.

Called by `records.py`, and by `oneroster_csv/reading.py` where `arrow.py` finds a
fault. It knows RFC 4180 and what a `Dialect` allows. A broken record is given up with
its first line, so that a forgotten quote never swallows the rows after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from d118_pipelines.sources.delimited.encodings import UnreadableError

BLANKS = " \t\u00a0"
_LINE_END = re.compile(r"\r\n|[\r\n]")
_QUOTED = re.compile(r'"(?:[^"]++|"")*+"')
# Of a record that is given up, what was taken for its further lines is read again.
_GIVEN_UP = ("bad_quote", "ragged")

Problem = Literal["", "blank", "bad_quote", "nul", "ragged", "too_long"]
Correction = Literal["ragged", "line_break"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the records of a file are written, and what of it is accepted.

    skips_blanks: blanks between a delimiter and a cell count for nothing.
    has_bare_quotes: a quote inside an unquoted cell is part of it.
    max_lines: a record of more lines is an open quote, and the record is given up;
    0: any number, and a file that ends inside quotes cannot be read.
    max_cell_chars, max_record_bytes: 0 is no limit.
    corrects: surplus blank cells are dropped, line breaks in cells become a blank.
    """

    delimiter: str = ","
    skips_blanks: bool = False
    has_bare_quotes: bool = False
    max_lines: int = 0
    max_cell_chars: int = 0
    max_record_bytes: int = 0
    corrects: bool = False


class Record(NamedTuple):
    """One record: its first line in the file (from 1), its cells, and what is wrong.

    cells: empty where a problem makes them unreadable, and for a blank line.
    first: the first cell of a record with a problem, as far as it is certain.
    """

    line: int
    cells: list[str]
    problem: Problem = ""
    first: str | None = None
    corrected: tuple[Correction, ...] = ()


@dataclass(slots=True)
class Split:
    """The records of one block in order; `rest` is unfinished."""

    records: list[Record] = field(default_factory=list)
    rest: str = ""
    next_line: int = 1


class Splitter:
    """Splits the blocks of one file. `width` is the number of columns; 0: any."""

    def __init__(self, dialect: Dialect, width: int = 0) -> None:
        self._dialect, self._width = dialect, width
        blanks = " *+" if dialect.skips_blanks else ""
        bare = "" if dialect.has_bare_quotes else '"'
        other = rf'(?!")[^{re.escape(dialect.delimiter)}\r\n{bare}]*+'
        self._cell = re.compile(rf'{blanks}(?:"((?:[^"]++|"")*+)"|({other}))')

    def split(
        self, text: str, first_line: int, *, is_last: bool, only_one: bool = False
    ) -> Split:
        """Split a block that begins with a record and ends with a line.

        only_one: stop behind the first record that is not blank; `rest` is what
        follows. Raises: UnreadableError `csv.unclosed_quote`, `csv.record_too_long`,
        `csv.cut_off`.
        """
        found = Split(next_line=first_line)
        has_lone_cr = text.count("\r") != text.count("\r\n")
        at = 0
        while at < len(text):
            line = found.next_line
            stop = _line_end(text, at, has_lone_cr)
            cells, end = self._cells(text, at, stop)
            if end < 0:
                if not self._gives_up(text[at:], line, is_last):
                    break
                end = stop
            inner = len(_LINE_END.findall(text, at, end)) if end != stop else 0
            if is_last and end == stop == len(text):
                self._check_cut(cells, text[at:end], line)
            record = self._judged(line, cells, text[at:end], inner)
            found.records.append(record)
            if record.problem in _GIVEN_UP:
                end, inner = stop, 0
            found.next_line += 1 + inner
            at = end + (2 if text.startswith("\r\n", end) else 1)
            if only_one and record.problem != "blank":
                break
        found.rest = text[at:]
        return found

    def _cells(self, text: str, at: int, stop: int) -> tuple[list[str] | None, int]:
        """Cells and end of the record at `at`; None: broken; end -1: still open."""
        delimiter = self._dialect.delimiter
        if text.find('"', at, stop) < 0:
            return text[at:stop].split(delimiter), stop
        cells = []
        while found := self._cell.match(text, at):
            quoted, other = found.groups()
            cells.append(other if quoted is None else quoted.replace('""', '"'))
            at = found.end()
            if at == len(text) or text[at] in "\r\n":
                return cells, at
            if text[at] != delimiter:
                return None, _line_end(text, at)
            at += 1
        return None, -1

    def _gives_up(self, rest: str, line: int, is_last: bool) -> bool:
        """Whether the open record has to end with its line; else more text is needed."""
        self._check_length(rest, line)
        most = self._dialect.max_lines
        if is_last and not most:
            what = "The file ends inside a quoted field."
            raise UnreadableError("csv.unclosed_quote", what, line)
        return bool(most) and (is_last or len(_LINE_END.findall(rest)) >= most)

    def _check_cut(self, cells: list[str] | None, text: str, line: int) -> None:
        """Who comes after a cut is missing too, so it is no fault of one record."""
        delimiter = self._dialect.delimiter
        count = text.count(delimiter) + 1 if cells is None else len(cells)
        if count < self._width and text.strip(BLANKS + delimiter):
            what = "The file is cut off in the middle of its last record."
            raise UnreadableError("csv.cut_off", what, line)

    def _judged(
        self, line: int, cells: list[str] | None, text: str, inner: int
    ) -> Record:
        """The record of `text`, with `inner` line ends inside."""
        self._check_length(text, line)
        if not text.strip(BLANKS):
            return Record(line, [], "blank")
        problem = self._problem(cells, text, inner)
        if cells is None or problem:
            kept = [] if cells is None else cells
            return Record(line, kept, problem, self._first(text))
        if self._dialect.corrects:
            return self._corrected(line, cells, text)
        return Record(line, cells)

    def _problem(self, cells: list[str] | None, text: str, inner: int) -> Problem:
        most, limit = self._dialect.max_lines, self._dialect.max_cell_chars
        if cells is None or (most and inner >= most):
            return "bad_quote"
        if "\0" in text:
            return "nul"
        if self._width and len(cells) != self._width:
            surplus = cells[self._width :] if self._dialect.corrects else []
            if not surplus or any(cell.strip(BLANKS) for cell in surplus):
                return "ragged"
        if limit and len(text) > limit and max(map(len, cells)) > limit:
            return "too_long"
        return ""

    def _corrected(self, line: int, cells: list[str], text: str) -> Record:
        corrected: list[Correction] = []
        if self._width and len(cells) > self._width:
            corrected.append("ragged")
            del cells[self._width :]
        if "\n" in text or "\r" in text:
            corrected.append("line_break")
            cells = [_LINE_END.sub(" ", cell) for cell in cells]
        return Record(line, cells, corrected=tuple(corrected))

    def _first(self, text: str) -> str | None:
        """The first cell of a broken record, where nothing can have changed it."""
        behind = (self._dialect.delimiter, "\r", "\n", "")
        quoted = _QUOTED.match(text)
        if quoted and text[quoted.end() : quoted.end() + 1] in behind:
            first = quoted[0][1:-1]
        else:
            first = text[: _line_end(text, 0)].split(self._dialect.delimiter)[0]
        return None if '"' in first or "\0" in first else first

    def _check_length(self, record: str, line: int) -> None:
        limit = self._dialect.max_record_bytes
        if limit and len(record) > limit // 4 and len(record.encode("utf-8")) > limit:
            what = f"A record is longer than {limit} bytes."
            raise UnreadableError("csv.record_too_long", what, line)


def _line_end(text: str, at: int, has_lone_cr: bool = True) -> int:
    if has_lone_cr:
        found = _LINE_END.search(text, at)
        return found.start() if found else len(text)
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if text.startswith("\r", end - 1) and end > at else end
