"""A file as records: as Python's csv module reads it, and what is said of broken ones."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d118_pipelines.sources.delimited.blocks import PIECE_BYTES
from d118_pipelines.sources.delimited.encodings import NotUtf8Error, UnreadableError
from d118_pipelines.sources.delimited.records import read_records
from d118_pipelines.sources.delimited.splitter import Dialect, Record, Splitter

PEOPLES = Dialect(skips_blanks=True, has_bare_quotes=True, max_lines=100)
CELLS = st.text(alphabet='ab,;"\n\r é', max_size=6)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=6)


def records(path: Path, data: bytes, dialect: Dialect = PEOPLES) -> list[Record]:
    path.write_bytes(data)
    return list(read_records(path, dialect))


@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]))
def test_well_formed_text_is_read_as_by_the_csv_module(
    rows: list[list[str]], end: str
) -> None:
    text = io.StringIO(newline="")
    # With line feeds alone the writer does not quote a carriage return by itself.
    quoting = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    writer = csv.writer(text, "excel", lineterminator=end, quoting=quoting)
    writer.writerows(rows)

    dialect = Dialect(has_bare_quotes=True)
    found = Splitter(dialect).split(text.getvalue(), 1, is_last=True)

    assert [record.cells for record in found.records] == rows
    assert not [record for record in found.records if record.problem]
    line = 1
    for row, record in zip(rows, found.records, strict=True):
        assert record.line == line
        line += 1 + sum(len(re.findall("\r\n?|\n", cell)) for cell in row)


def test_lines_and_cells_are_right_over_the_borders_of_pieces(tmp_path: Path) -> None:
    rows = [f'{n},"{"é" * 60}\r\n{"x" * 60}",end\r\n' for n in range(3_000)]
    data = "".join(rows).encode()
    assert len(data) > 4 * PIECE_BYTES

    found = records(tmp_path / "a.csv", data)

    assert [record.line for record in found] == [1 + 2 * n for n in range(3_000)]
    assert [record.cells[0] for record in found] == [str(n) for n in range(3_000)]
    assert {record.cells[1] for record in found} == {"é" * 60 + "\r\n" + "x" * 60}


def test_open_quote_costs_its_line_wherever_a_piece_ends(tmp_path: Path) -> None:
    plain = "".join(f"{n},{'x' * 90},end\n" for n in range(2_000))
    data = (plain + 'broken,"x,end\n' + plain).encode()

    found = records(tmp_path / "a.csv", data)

    [broken] = [record for record in found if record.problem]
    assert broken == Record(2_001, [], "bad_quote", "broken")
    assert [record.line for record in found] == list(range(1, 4_002))


@pytest.mark.parametrize(
    ("text", "problem", "first"),
    [
        ("a\0,b", "nul", None),
        ("k,b\0", "nul", "k"),
        ('"k","a"b', "bad_quote", "k"),
        ('"k"x,b', "bad_quote", None),
        (" \t", "blank", None),
        (f"k,{'x' * 11}", "too_long", "k"),
    ],
)
def test_problem_and_what_is_certain_of_the_record(
    tmp_path: Path, text: str, problem: str, first: str | None
) -> None:
    dialect = Dialect(has_bare_quotes=True, max_cell_chars=10)

    found = records(tmp_path / "a.csv", f"h,i\n{text}\nx,y\n".encode(), dialect)

    assert [record.problem for record in found] == ["", problem, ""]
    assert (found[1].line, found[1].first) == (2, first)
    assert found[2] == Record(3, ["x", "y"])


def test_record_of_too_many_lines_is_an_open_quote(tmp_path: Path) -> None:
    for lines, problem in ((100, ""), (101, "bad_quote")):
        cell = "\n".join(["x"] * lines)
        found = records(tmp_path / "a.csv", f'a,"{cell}"\nb,c\n'.encode())

        assert found[0].problem == problem
        assert found[-1] == Record(lines + 1, ["b", "c"])


def test_file_that_cannot_be_read_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(NotUtf8Error) as other:
        records(path, "a,b\nc,d\né,f\n".encode("cp1252"))
    assert other.value.line == 3
    with pytest.raises(UnreadableError) as opened:
        records(path, b'a,b\nc,"d\n', Dialect())
    assert (opened.value.code, opened.value.line) == ("csv.unclosed_quote", 2)
    with pytest.raises(UnreadableError) as long:
        records(path, b"a,b\n" + b"x" * 100 + b"\n", Dialect(max_record_bytes=50))
    assert (long.value.code, long.value.line) == ("csv.record_too_long", 2)
