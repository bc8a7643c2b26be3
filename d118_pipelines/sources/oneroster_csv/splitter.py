"""Text to records, one by one: the careful reader, which says what is wrong and where.

Belongs here: RFC 4180 and what is wrong with a record. Not here: encodings (`text.py`),
columns (`headers.py`), blocks without a fault (`plain.py`).

A broken record is given up with its first line: the reader goes on with the next line,
so that a forgotten quote never swallows the rows after it.
Rule: docs/reference/oneroster_csv.md, records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from d118_pipelines.sources.oneroster_csv.findings import fatal, usable_key
from d118_pipelines.sources.oneroster_csv.limits import Limits

BLANKS = " \t\u00a0"
_QUOTED = re.compile(r'"(?:[^"]++|"")*+"')
_UNQUOTED = re.compile(r'[^,\n"]*+')


class Problem(NamedTuple):
    """Something wrong with the record at a line; `key` as far as it can be read."""

    code: str
    line: int
    key: str | None = None


@dataclass(slots=True)
class Split:
    """The records of one block: fields and lines side by side; `rest` is unfinished."""

    records: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejected: list[Problem] = field(default_factory=list)
    mended: list[Problem] = field(default_factory=list)
    blank_lines: list[int] = field(default_factory=list)
    rest: str = ""
    next_line: int = 1


class Splitter:
    """Splits the blocks of one file. `width` is the number of columns; 0: any."""

    def __init__(self, file: str, limits: Limits, width: int = 0) -> None:
        self._file, self._limits, self._width = file, limits, width

    def split(
        self, text: str, first_line: int, *, is_last: bool, only_one: bool = False
    ) -> Split:
        """Split a block that begins with a record and ends with a line.

        only_one: stop behind the first record that is not blank; `rest` is what follows.
        Raises: IncompleteExtractError `csv.unclosed_quote`, `csv.record_too_long`.
        """
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        has_nul = "\0" in text
        found = Split(next_line=first_line)
        at = 0
        while at < len(text) and not (only_one and (found.records or found.rejected)):
            line = found.next_line
            stop = _line_end(text, at)
            if text.find('"', at, stop) < 0:
                fields: list[str] | None = text[at:stop].split(",")
                end = stop
            else:
                fields, end = _quoted_record(text, at)
                if end < 0:
                    self._leave_open(text[at:], line, is_last)
                    break
            self._check_length(text[at:end], line)
            if self._take(found, fields, text[at:end], line, has_nul) or end == stop:
                found.next_line += 1 + text.count("\n", at, end)
                at = end + 1
            else:
                found.next_line += 1
                at = stop + 1
        found.rest = text[at:]
        return found

    def _leave_open(self, record: str, line: int, is_last: bool) -> None:
        self._check_length(record, line)
        if is_last:
            what = "The file ends inside a quoted field."
            fatal("csv.unclosed_quote", what, file=self._file, line=line)

    def _take(
        self,
        found: Split,
        fields: list[str] | None,
        record: str,
        line: int,
        has_nul: bool,
    ) -> bool:
        """Note one record; False when its further lines are to be read anew."""
        if not record.strip(BLANKS):
            found.blank_lines.append(line)
            return True
        if fields is None:
            return _reject(found, "csv.bad_quote", line, record)
        if has_nul and "\0" in record:
            _reject(found, "csv.nul", line, record)
            return True
        if self._width and len(fields) != self._width:
            surplus = fields[self._width :]
            if not surplus or any(value.strip(BLANKS) for value in surplus):
                return _reject(found, "csv.ragged", line, record)
            found.mended.append(Problem("csv.ragged", line))
            del fields[self._width :]
        return self._keep(found, fields, record, line)

    def _keep(self, found: Split, fields: list[str], record: str, line: int) -> bool:
        limit = self._limits.max_field_chars
        if len(record) > limit and max(map(len, fields)) > limit:
            _reject(found, "row.too_long", line, record)
            return True
        if "\n" in record:
            fields = [value.replace("\n", " ") for value in fields]
            found.mended.append(Problem("csv.line_break", line))
        found.records.append(fields)
        found.lines.append(line)
        return True

    def _check_length(self, record: str, line: int) -> None:
        limit = self._limits.max_record_bytes
        if len(record) > limit // 4 and len(record.encode("utf-8")) > limit:
            what = f"A record is longer than {limit} bytes."
            fatal("csv.record_too_long", what, file=self._file, line=line)


def _reject(found: Split, code: str, line: int, record: str) -> bool:
    """Set the record aside; its key is that of its first line."""
    found.rejected.append(Problem(code, line, _doubtful_key(record)))
    return False


def _doubtful_key(record: str) -> str | None:
    """What stands in the first field of a broken record, if it can be an identifier."""
    quoted = _QUOTED.match(record)
    text = quoted[0][1:-1] if quoted else record[: _line_end(record, 0)].split(",")[0]
    return usable_key(text, is_doubtful=True)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


def _quoted_record(text: str, at: int) -> tuple[list[str] | None, int]:
    """Fields and end of the record at `at`; None: broken; end -1: not at an end yet."""
    fields = []
    while True:
        if text.startswith('"', at):
            found = _QUOTED.match(text, at)
            if found is None:
                return None, -1
            fields.append(found[0][1:-1].replace('""', '"'))
        else:
            found = _UNQUOTED.match(text, at)
            assert found is not None  # it matches nothing at all, too
            fields.append(found[0])
        at = found.end()
        if at == len(text) or text[at] == "\n":
            return fields, at
        if text[at] != ",":
            return None, _line_end(text, at)
        at += 1
