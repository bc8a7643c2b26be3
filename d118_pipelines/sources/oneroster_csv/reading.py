"""One data file from bytes to tables of text columns, in two ways with one result.

Belongs here: the loop over blocks, and the counts that later steps judge by. Not here:
records (`splitter.py`, `plain.py`), headers. Blocks without a fault are read by Arrow,
the others record by record. Memory does not grow with the number of rows.
Rule: docs/reference/oneroster_csv.md, records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from d118_pipelines.kernel.arrow_arrays import arrow_array
from d118_pipelines.sources.oneroster_csv.blocks import Blocks, pieces
from d118_pipelines.sources.oneroster_csv.container import Member
from d118_pipelines.sources.oneroster_csv.findings import Findings, Severity, fatal
from d118_pipelines.sources.oneroster_csv.headers import Layout
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.plain import (
    may_have_blanks_around,
    parse_plain,
)
from d118_pipelines.sources.oneroster_csv.splitter import Problem, Split, Splitter
from d118_pipelines.sources.oneroster_csv.text import (
    CP1252,
    NAMES,
    UTF8,
    UTF16,
    NotUtf8Error,
    starts_as_utf16,
    utf8_chunks,
)
from d118_pipelines.sources.oneroster_csv.values import FileFacts, clean

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
        blocks = self._blocks(UTF8)
        try:
            return self._first_record(blocks, UTF8)[0]
        except NotUtf8Error:
            encoding = self._other_encoding()
            return self._first_record(self._blocks(encoding), encoding)[0]

    def read(self, check: CheckHeader, start: Callable[[], Sink]) -> FileFacts:
        """Give all rows to a sink; `start` makes one, and a fresh one for a new start.

        check: judges the header. Raises: IncompleteExtractError.
        """
        try:
            return self._read(UTF8, check, start())
        except NotUtf8Error:
            encoding = self._other_encoding()
            self._findings.forget(self._file)
        self._findings.add(
            "csv.encoding", "warn", self._file, detail=f"read as {NAMES[encoding]}"
        )
        return self._read(encoding, check, start())

    def _read(self, encoding: str, check: CheckHeader, sink: Sink) -> FileFacts:
        blocks = self._blocks(encoding)
        names, line = self._first_record(blocks, encoding)
        rows = _Rows(self._file, check(names), self._findings, self._limits, line, sink)
        rows.facts.encoding = encoding
        is_last = False
        while not is_last:
            block, is_last = blocks.next()
            _require_utf8(block)
            rows.facts.bytes_read += len(block)
            if self._is_careful:
                rest = rows.take_carefully(block, is_last=is_last)
            elif rows.take_plain(block):
                continue
            else:
                rest = rows.take_in_pieces(block, is_last=is_last)
            rows.facts.bytes_read -= len(rest)
            blocks.put_back(rest)
        return rows.facts

    def _blocks(self, encoding: str) -> Blocks:
        chunks = utf8_chunks(self._member.chunks(), encoding, self._file)
        return Blocks(chunks, self._file, self._limits.max_record_bytes)

    def _first_record(self, blocks: Blocks, encoding: str) -> tuple[list[str], int]:
        """The header and the number of the line behind it."""
        block, is_last = blocks.next()
        _require_utf8(block)
        splitter = Splitter(self._file, self._limits)
        split = splitter.split(block.decode(UTF8), 1, is_last=is_last, only_one=True)
        blocks.put_back(split.rest.encode(UTF8))
        if split.rejected:
            problem = split.rejected[0]
            what = "The header cannot be read."
            fatal(problem.code, what, file=self._file, line=problem.line)
        return (split.records[0] if split.records else []), split.next_line

    def _other_encoding(self) -> str:
        start = b""
        for chunk in self._member.chunks():
            start += chunk
            if len(start) >= 2:
                break
        return UTF16 if starts_as_utf16(start) else CP1252


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
        self._splitter = Splitter(file, limits, layout.width)
        self._wanted = sorted({0, *layout.positions.values(), layout.password_at or 0})
        self.facts = FileFacts()

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
        self._report(split)
        self._give(_table(split, self._wanted), split.lines, has_blanks=True)
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
        self.facts.rows += table.num_rows
        limit = self._limits.max_rows_per_file
        if self.facts.rows > limit:
            what = f"The file has more than {limit} rows."
            fatal("zip.too_large", what, file=self._file)
        if table.num_rows:
            layout, facts = self._layout, self.facts
            self._sink(clean(table, layout, lines, facts, self._file, has_blanks))

    def _report(self, split: Split) -> None:
        """In the order of the lines, however large the block was."""
        found: list[tuple[Severity, Problem]] = [
            *(("reject", problem) for problem in split.rejected),
            *(("warn", problem) for problem in split.mended),
            *(("info", Problem("csv.blank_line", line)) for line in split.blank_lines),
        ]
        for severity, problem in sorted(found, key=lambda item: item[1].line):
            code, line, key = problem
            self._findings.add(code, severity, self._file, line=line, external_id=key)


def _require_utf8(block: bytes) -> None:
    if block.isascii():
        return
    try:
        block.decode(UTF8)
    except UnicodeDecodeError:
        raise NotUtf8Error from None


def _table(split: Split, wanted: Sequence[int]) -> pa.Table:
    """The wanted columns of split records, named by their number, blanks as null."""
    import pyarrow as pa

    columns = {
        str(number): arrow_array(
            [fields[number] or None for fields in split.records], pa.string()
        )
        for number in wanted
    }
    return pa.table(columns)
