"""What the bytes of a file say about its form."""

from __future__ import annotations

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.draft.recognise import one_format, recognise

ROWS = "id,name,day\n1,Ana,2026-01-02\n2,Bo,2026-01-03\n"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            ROWS,
            {"delimiter": ",", "quoting": "minimal", "newline": "lf", "header": True},
        ),
        (ROWS.replace("\n", "\r\n"), {"newline": "crlf"}),
        (ROWS.replace(",", "\t"), {"delimiter": "\t", "quoting": "none"}),
        (ROWS.replace(",", ";"), {"delimiter": ";"}),
        ("1|Ana|\n2|Bo|\n", {"header": False, "trailing_delimiter": True}),
        ('"id","n"\n"1","Ana"\n"2","Bo"\n', {"quoting": "all"}),
        ('id,n\n1,"Ruiz, Ana"\n2,Bo\n', {"quoting": "minimal"}),
        ("id|n\n1|5'6\" tall\n2|Bo\n", {"quoting": "none"}),
    ],
)
def test_the_form_is_recognised(text: str, facts: dict[str, object]) -> None:
    layout = recognise("file.csv", text.encode()).layout.model_dump()

    assert {name: layout[name] for name in facts} == facts


def test_the_encoding_and_the_byte_order_mark_are_recognised() -> None:
    marked = recognise("a.csv", b"\xef\xbb\xbf" + ROWS.encode())
    windows = recognise("b.csv", ROWS.replace("Bo", "Núñez").encode("cp1252"))

    assert marked.layout.bom and marked.headers == ["id", "name", "day"]
    assert windows.layout.encoding == "cp1252"
    assert windows.rows[1][1] == "Núñez"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "has no line"),
        (b"id,name\n", "has a header and no record"),
        (b"id,name\n1,Ana\n2,Bo,x\n", "2 columns"),
        (ROWS.encode("utf-16"), "UTF-16"),
    ],
)
def test_what_no_target_can_write_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        recognise("file.csv", data)


def test_what_is_written_otherwise_is_a_note() -> None:
    unended = recognise("a.csv", ROWS.rstrip("\n").encode())
    mixed = recognise("b.csv", b'id,n\n1,"Ana"\n2,"Bo"\n')

    assert unended.notes == ["its last line has no line end; ours has one"]
    assert "quotes some cells" in mixed.notes[0]


def test_files_of_a_set_share_what_one_of_them_shows() -> None:
    plain = recognise("a.csv", b"id,n\n1,Ana\n")
    quoted = recognise("b.csv", b'"id","n"\n"1","Ana"\n')

    assert one_format([plain, quoted]).quoting == "all"


def test_files_of_a_set_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="differ in newline"):
        one_format(
            [
                recognise("a.csv", ROWS.encode()),
                recognise("b.csv", ROWS.replace("\n", "\r\n").encode()),
            ]
        )
