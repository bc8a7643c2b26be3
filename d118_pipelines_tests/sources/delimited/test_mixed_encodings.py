"""Rows of another encoding in a file of UTF-8: they alone are read otherwise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from d118_pipelines.sources.delimited.blocks import Blocks, odd_lines
from d118_pipelines.sources.delimited.encodings import MIXED, utf8_chunks

TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12
)
# Letters of Windows-1252 before a comma: never UTF-8, whatever is around them.
ODD = st.text("éñüßÉÖ’Ÿ", min_size=1, max_size=1)
LINES = st.lists(st.tuples(TEXT, st.none() | ODD), max_size=12)


def line(text: str, odd: str | None) -> bytes:
    return text.encode() + (f"{odd},".encode("cp1252") if odd else b"")


@given(lines=LINES, size=st.integers(1, 7))
def test_case_02_every_row_keeps_its_letters(
    lines: list[tuple[str, str | None]], size: int
) -> None:
    data = b"".join(line(*one) + b"\n" for one in lines)
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])

    read = b"".join(utf8_chunks(pieces, MIXED)).decode()

    expected = "".join(
        f"{text}{odd or ''}{',' if odd else ''}\n" for text, odd in lines
    )
    assert read == expected.removeprefix("\ufeff")


@given(lines=LINES)
def test_case_02_the_rows_of_another_encoding_are_found(
    lines: list[tuple[str, str | None]],
) -> None:
    data = b"".join(line(*one) + b"\n" for one in lines)

    found = [n for n, _, is_utf8 in odd_lines(Blocks(iter([data]), 0)) if not is_utf8]

    assert found == [n for n, (_, odd) in enumerate(lines, 1) if odd]


@given(size=st.integers(1, 7), before=st.integers(0, 5))
def test_case_02_a_surrogate_is_seen_across_the_border_of_chunks(
    size: int, before: int
) -> None:
    data = b"x" * before + b"\xed\xa0\x80,\xed\xbf\xbf\nJos\xc3\xa9,\xe9,\xed"
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])

    read = b"".join(utf8_chunks(pieces, MIXED)).decode()

    assert read == "x" * before + "\0,\0\nJosé,é,í"
