"""The fast and the careful way of reading give the same rows and findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.delimited.arrow import may_have_blanks_around, parse_plain
from d118_pipelines.sources.delimited.splitter import BLANKS, Splitter
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines_tests.sources.oneroster_csv.pulls import Pulled, pull_set
from d118_pipelines_tests.support.bundles import ORGS, set_of
from d118_pipelines_tests.support.examples import examples

ODD = st.sampled_from(
    ['"a\nb"', 'a"b', '"a"b', '"', " b ", '" b"', "\0", "a,b", "a\rb", "\u00a0b", ""]
)
CLEAN = st.sampled_from(["", "a", "é", '"x"', '"a,b"', '"a""b"', '""'])
BODIES = st.tuples(
    st.lists(st.lists(CLEAN, min_size=7, max_size=7), max_size=4),
    st.lists(CLEAN, min_size=5, max_size=7),
    ODD,
    st.lists(st.lists(CLEAN, min_size=7, max_size=7), max_size=4),
)


@settings(max_examples=examples(10, 30), deadline=None)
@given(body=BODIES, ending=st.sampled_from(["\n", "\r\n"]), closed=st.booleans())
def test_both_ways_of_reading_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, body: Any, ending: str, closed: bool
) -> None:
    before, fields, odd, after = body
    lines = [",".join(fields) for fields in [*before, [*fields, odd], *after]]
    text = ORGS + "\n".join(lines) + ("\n" if closed else "")
    files = set_of(orgs=text.replace("\n", ending))
    base = tmp_path_factory.mktemp("both")

    assert outcome(files, base / "fast") == outcome(
        files, base / "slow", is_careful=True
    )


@settings(max_examples=examples(100, 500), deadline=None)
@given(parts=st.lists(st.sampled_from(["a", " ", ",", ",", '"', '"', "\n", "\r", "é"])))
def test_block_taken_for_plain_has_no_fault(parts: list[str]) -> None:
    text = "".join(parts)
    table = parse_plain(text.encode(), 2, [0, 1], 1000)
    if table is None:
        return

    found = Splitter(Limits().dialect, 2).split(text, 2, is_last=True).records

    assert not [record for record in found if record.problem or record.corrected]
    records = [[value or None for value in record.cells] for record in found]
    assert [list(row.values()) for row in table.to_pylist()] == records
    assert [record.line for record in found] == list(range(2, 2 + table.num_rows))
    has_blanks = any(v != v.strip(BLANKS) for record in found for v in record.cells)
    assert may_have_blanks_around(text.encode()) or not has_blanks


@pytest.mark.parametrize("text", ["a,b\n", '"a","b"\r\n', '"a,""b",c', "é,\nx,y\n"])
def test_block_without_a_fault_is_taken_for_plain(text: str) -> None:
    assert parse_plain(text.encode(), 2, [0, 1], 1000) is not None


@pytest.mark.long
def test_faults_in_a_file_of_several_blocks_are_found_where_they_are(
    tmp_path: Path,
) -> None:
    row = f"S1,,,Example {'x' * 150},school,,D1\n"
    broken = f'S2,,,"a\n{"y" * 200}",school,,D1\n' + "S3,\n"
    files = set_of(orgs=ORGS + (row * 400 + broken) * 140)

    fast = outcome(files, tmp_path / "fast")
    slow = outcome(files, tmp_path / "slow", is_careful=True)

    assert fast == slow
    assert isinstance(fast, tuple)
    rows, findings = fast
    assert len(rows) == 401 * 140
    assert rows[-1]["_line"] == 403 * 140 - 1
    ragged = [f["source_line"] for f in findings if f["code"] == "csv.ragged"]
    assert ragged == [1 + 403 * (n + 1) for n in range(140)]


def outcome(files: dict[str, bytes], base: Path, **options: Any) -> object:
    """Rows and findings of orgs.csv, or the text of the refusal."""
    try:
        pulled: Pulled = pull_set(files, base, **options)
    except IncompleteExtractError as exc:
        return str(exc).replace(str(base), "")
    return pulled.rows("orgs"), pulled.findings()
