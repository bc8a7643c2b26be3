"""Text of sources is shown as text: no terminal, log, page or chat acts on it."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from d118_pipelines.kernel.text import markdown, printable

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a | b |",
    "![x](http://evil.example)",
    "[x](javascript:alert)",
    "**bold** _it_ __b__ ~~gone~~ `code`",
    "back\\",
    "&lt;script&gt;",
    "<http://evil.example>",
    "\\<b>",
]


def shown_cell(text: str) -> tuple[str, set[str]]:
    """The text of a table's cell and the kinds of marks in it, by another reader."""
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    page = reader.parse(f"| {markdown('head')} | n |\n|---|---|\n| {text} | 1 |")
    cells = [token for token in page if token.type == "inline"]
    assert len(cells) == 4, "another cell or paragraph was made"
    kinds = {child.type for child in cells[2].children or []}
    texts = (child.content for child in cells[2].children or [])
    return "".join(texts), kinds - {"text", "text_special"}


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_and_html_of_a_source_show_as_text(text: str) -> None:
    assert shown_cell(markdown(text)) == (text, set())


@given(st.text(alphabet="<>&|*_~`[]()!\\:/.#aw1 \n\x1b", max_size=12))
def test_any_text_is_one_plain_cell(text: str) -> None:
    expected = " ".join(printable(text, one_line=True).split(" ")).strip()

    assert shown_cell(markdown(text)) == (expected, set())


def test_addresses_make_no_links_and_codes_stay_readable() -> None:
    assert markdown("http://www.evil.example") == r"http\://www\.evil.example"
    assert markdown("guard.data_fresh: 1,200 of Lincoln-Way #2") == (
        "guard.data_fresh: 1,200 of Lincoln-Way #2"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\u001b[2J"),
        ("\x9b2J\x7f\r\t", r"\u009b2J\u007f\u000d\u0009"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2066b\u2028c\x85", r"a\u2066b\u2028c\u0085"),
        ("\ud800", r"\ud800"),
        ("Zoë Ñandú 学校 👩\u200d🏫", "Zoë Ñandú 学校 👩\u200d🏫"),
    ],
)
def test_control_and_bidirectional_characters_are_escaped(
    text: str, shown: str
) -> None:
    assert printable(text) == shown


def test_line_breaks_stay_unless_one_line_is_asked_for() -> None:
    assert printable("a\nb") == "a\nb"
    assert printable("a\nb", one_line=True) == r"a\u000ab"


@pytest.mark.long
@given(st.text())
def test_json_that_is_made_printable_says_the_same(text: str) -> None:
    shown = printable(json.dumps({text: text}, ensure_ascii=False))

    assert json.loads(shown) == {text: text}
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
