"""Pairing and comparing the records of two files, on bytes."""

from __future__ import annotations

from d118_pipelines.targets.compare import FileComparison, compare_file
from d118_pipelines_tests.targets.examples import target

HR = target("hr_records").model
FILE = next(file for file in HR.files if file.name == "job_types")
NAMES = [column.header for column in FILE.columns]


def line(key: str, *more: str) -> list[str]:
    """A record with this key in the columns that pair, and other values after them."""
    values = [key if name in (FILE.match_by or NAMES[:1]) else "v" for name in NAMES]
    return [*values, *more]


def compared(ours: list[list[str]], theirs: list[list[str]]) -> FileComparison:
    ours_theirs = (
        "\n".join(HR.format.delimiter.join(row) for row in [NAMES, *rows]) + "\n"
        for rows in (ours, theirs)
    )
    mine, other = (text.encode() for text in ours_theirs)
    return compare_file(FILE, HR.format, mine, other)


def test_records_of_one_key_are_paired_in_the_order_of_the_files() -> None:
    twice = [line("1"), [*line("1")[:-1], "w"]]

    assert not compared(twice, twice).has_differences
    found = compared(twice, twice[:1])
    assert (found.only_ours, found.same) == (["1"], 1)


def test_a_line_with_too_few_fields_lacks_their_values() -> None:
    short = line("1")[:-1]

    found = compared([line("1")], [short])

    [difference] = found.fields
    assert (difference.column, difference.ours, difference.theirs) == (
        NAMES[-1],
        "v",
        "",
    )
    assert "theirs: has 1 lines with another number of fields" in found.notes


def test_a_line_with_too_many_fields_differs_beyond_the_last_column() -> None:
    found = compared([line("1")], [line("1", *["x"] * 3)])

    [difference] = found.fields
    assert (difference.column, difference.theirs) == (
        "beyond the last column",
        "more fields",
    )


def test_files_without_records_do_not_differ() -> None:
    assert not compared([], []).has_differences
    assert compared([line("1")], []).only_ours == ["1"]


def test_differences_are_in_the_order_of_our_file() -> None:
    ours = [line(key) for key in ("9", "10", "1")]
    theirs = [[*row[:-1], "w"] for row in reversed(ours)]

    found = compared(ours, theirs)

    assert [difference.record for difference in found.fields] == ["9", "10", "1"]
    assert {(d.ours, d.theirs) for d in found.fields} == {("v", "w")}
