"""One data file from bytes to tables of text columns, in two ways with one result.

Called by `source.py` for rows and by `file_set.py` for a header. Blocks without a fault
are read by Arrow (`delimited/arrow.py`), the others record by record
(`delimited/splitter.py`); `values.py` cleans and counts. Memory does not grow with the
number of rows. Rule: docs/reference/oneroster_csv.md, records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from d118_pipelines.kernel.arrow_arrays import arrow_array
from d118_pipelines.kernel.finding import Findings, Level
from d118_pipelines.sources.delimited.arrow import may_have_blanks_around, parse_plain
from d118_pipelines.sources.delimited.blocks import Blocks, odd_lines, pieces
from d118_pipelines.sources.delimited.encodings import (
    CP1252,
    MIXED,
    NAMES,
    UTF8,
    UTF16,
    NotUtf8Error,
    checked_text,
    marked_encoding,
    utf8_chunks,
)
from d118_pipelines.sources.delimited.splitter import Record, Splitter
from d118_pipelines.sources.oneroster_csv.container import Member
from d118_pipelines.sources.oneroster_csv.findings import (
    CORRECTED,
    REJECTED,
    certain_key,
    fatal,
    refusing,
)
from d118_pipelines.sources.oneroster_csv.headers import Layout
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.values import RowCounts, clean

if TYPE_CHECKING:
    import pyarrow as pa

Sink = Callable[["pa.Table"], None]
CheckHeader = Callable[[Sequence[str]], Layout]


class FileReader:
    """Reads one file, as often as its encoding needs."""

    def __init__(
        self,
        member: Member,
        file: str,
        findings: Findings,
        limits: Limits,
        *,
        is_careful: bool = False,
    ) -> None:
        self._member, self._file = member, file
        self._findings, self._limits = findings, limits
        self._is_careful = is_careful

    def header(self) -> list[str]:
        """The names in the header, which is the first record; empty: there is none."""
        with refusing(self._file):
            try:
                return self._first_record(self._blocks(UTF8))[0]
            except NotUtf8Error:
                encoding = UTF16 if self._is_utf16() else MIXED
                return self._first_record(self._blocks(encoding))[0]

    def read(self, check: CheckHeader, start: Callable[[], Sink]) -> RowCounts:
        """Give all rows to a sink; `start` makes one, and a fresh one for a new start.

        check: judges the header. Raises: IncompleteExtractError.
        """
        with refusing(self._file):
            try:
                return self._read(UTF8, check, start())
            except NotUtf8Error:
                encoding = self._other_encoding()
            return self._read(encoding, check, start())

    def _read(self, encoding: str, check: CheckHeader, sink: Sink) -> RowCounts:
        blocks = self._blocks(encoding)
        names, line = self._first_record(blocks)
        rows = _Rows(self._file, check(names), self._findings, self._limits, line, sink)
        is_last = False
        while not is_last:
            block, is_last = blocks.next()
            if not block.isascii():
                checked_text(block)
            rows.counts.bytes_read += len(block)
            if self._is_careful:
                rest = rows.take_carefully(block, is_last=is_last)
            elif rows.take_plain(block):
                continue
            else:
                rest = rows.take_in_pieces(block, is_last=is_last)
            rows.counts.bytes_read -= len(rest)
            blocks.put_back(rest)
        return rows.counts

    def _blocks(self, encoding: str) -> Blocks:
        chunks = utf8_chunks(self._member.chunks(), encoding)
        return Blocks(chunks, self._limits.max_record_bytes)

    def _first_record(self, blocks: Blocks) -> tuple[list[str], int]:
        """The header and the number of the line behind it."""
        block, is_last = blocks.next()
        text = checked_text(block)
        splitter = Splitter(self._limits.dialect)
        split = splitter.split(text, 1, is_last=is_last, only_one=True)
        blocks.put_back(split.rest.encode(UTF8))
        header = split.records[-1] if split.records else Record(1, [])
        if header.problem in REJECTED:
            what = "The header cannot be read."
            fatal(REJECTED[header.problem], what, file=self._file, line=header.line)
        return header.cells, split.next_line

    def _other_encoding(self) -> str:
        """How the file is read that is not UTF-8 throughout, with the findings.

        Where some lines are UTF-8, the others alone are something else.
        """
        self._findings.forget(self._file)
        encoding = UTF16 if self._is_utf16() else CP1252
        if encoding == CP1252:
            blocks = Blocks(self._member.chunks(), self._limits.max_record_bytes)
            for line, data, is_utf8 in odd_lines(blocks):
                if is_utf8:
                    encoding = MIXED
                else:
                    self._report_odd(line, data)
        if encoding != MIXED:
            self._findings.forget(self._file)
            what = f"read as {NAMES[encoding]}"
            self._findings.add("csv.encoding", "warn", self._file, detail=what)
        return encoding

    def _report_odd(self, line: int, data: bytes) -> None:
        first = data.split(b",", 1)[0].strip(b'"').decode(UTF8, "replace")
        self._findings.add(
            *("csv.encoding", "warn", self._file),
            line=line,
            key=certain_key(first),
            detail=f"what is not UTF-8 in this row is read as {NAMES[CP1252]}",
        )

    def _is_utf16(self) -> bool:
        start = b""
        for chunk in self._member.chunks():
            start += chunk
            if len(start) >= 2:
                break
        return marked_encoding(start) == UTF16


class _Rows:
    """The rows of one file on their way to the sink."""

    def __init__(
        self,
        file: str,
        layout: Layout,
        findings: Findings,
        limits: Limits,
        line: int,
        sink: Sink,
    ) -> None:
        self._file, self._layout, self._findings = file, layout, findings
        self._limits, self._line, self._sink = limits, line, sink
        self._splitter = Splitter(limits.dialect, layout.width)
        self._wanted = sorted({0, *layout.positions.values(), layout.password_at or 0})
        self.counts = RowCounts()

    def take_plain(self, block: bytes) -> bool:
        """Read a block that has no fault; False: it has one, nothing was taken."""
        import numpy as np

        longest = self._limits.max_field_chars
        table = parse_plain(block, self._layout.width, self._wanted, longest)
        if table is None:
            return False
        lines = np.arange(self._line, self._line + table.num_rows)
        self._line += table.num_rows
        self._give(table, lines, has_blanks=may_have_blanks_around(block))
        return True

    def take_carefully(self, block: bytes, *, is_last: bool) -> bytes:
        """Read a block record by record; returns the unfinished record at its end."""
        split = self._splitter.split(block.decode(UTF8), self._line, is_last=is_last)
        self._line = split.next_line
        for record in split.records:
            self._report(record)
        good = [record for record in split.records if not record.problem]
        table = _table(good, self._wanted)
        self._give(table, [record.line for record in good], has_blanks=True)
        return split.rest.encode(UTF8)

    def take_in_pieces(self, block: bytes, *, is_last: bool) -> bytes:
        """Read a block of which only some pieces have faults; returns as above."""
        rest = b""
        for piece, is_end in pieces(block):
            data = rest + piece
            rest = b""
            if not self.take_plain(data):
                rest = self.take_carefully(data, is_last=is_last and is_end)
        return rest

    def _give(self, table: pa.Table, lines: Any, *, has_blanks: bool) -> None:
        self.counts.rows += table.num_rows
        limit = self._limits.max_rows_per_file
        if self.counts.rows > limit:
            what = f"The file has more than {limit} rows."
            fatal("zip.too_large", what, file=self._file)
        if table.num_rows:
            layout, counts = self._layout, self.counts
            self._sink(clean(table, layout, lines, counts, self._file, has_blanks))

    def _report(self, record: Record) -> None:
        found: list[tuple[str, Level]] = [
            (CORRECTED[correct], "warn") for correct in record.corrected
        ]
        if record.problem == "blank":
            found.append(("csv.blank_line", "info"))
        elif record.problem:
            found.append((REJECTED[record.problem], "reject"))
        for code, level in found:
            key = certain_key(record.first)
            self._findings.add(code, level, self._file, line=record.line, key=key)


def _table(records: Sequence[Record], wanted: Sequence[int]) -> pa.Table:
    """The wanted columns of split records, named by their number, blanks as null."""
    import pyarrow as pa

    columns = {
        str(number): arrow_array(
            [record.cells[number] or None for record in records], pa.string()
        )
        for number in wanted
    }
    return pa.table(columns)
