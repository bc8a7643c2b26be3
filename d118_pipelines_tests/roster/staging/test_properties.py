"""What holds for every roster: order does not matter, one defect costs one row."""

from __future__ import annotations

import copy
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines_tests.roster.staging.roster import (
    Bench,
    Records,
    enrollment,
    found,
    person,
    rejected,
    rows,
    valid,
)
from d118_pipelines_tests.support.examples import examples

_ORIGIN = ("source_line", "raw_row")


def staged_content(records: Records) -> tuple[Any, ...]:
    """All that staging says of the records, without their place in the source."""
    with tempfile.TemporaryDirectory() as folder:
        staged = Bench(Path(folder)).json(records)
        frames = {}
        for entity in staged.entities:
            frames[entity] = rows(staged, entity)
            for row in frames[entity].values():
                for name in _ORIGIN:
                    del row[name]
        return frames, found(staged), rejected(staged), staged.findings


def mixed() -> Records:
    """A valid roster with a few bad rows in it."""
    records = valid()
    records["users"] += [person("X1", "pupil"), person("x1", "teacher")]
    records["enrollments"] += [
        enrollment("E8", "X1"),
        enrollment("E9", "x1", "Teacher", primary="true"),
    ]
    return records


@cache
def expected() -> tuple[Any, ...]:
    """What staging says of `mixed`, in its own order."""
    return staged_content(mixed())


@pytest.mark.long
@settings(max_examples=examples(3, 6), deadline=None)
@given(data=st.data())
def test_order_of_rows_does_not_matter(data: st.DataObject) -> None:
    records = {
        name: data.draw(st.permutations(rows_), label=name)
        for name, rows_ in mixed().items()
    }

    assert staged_content(records) == expected()


DEFECTS: dict[str, dict[str, Any]] = {
    "row.bad_enum": enrollment("NEW", "S1", "pupil"),
    "ref.orphan": enrollment("NEW", "NOBODY"),
    "row.missing_required": enrollment("NEW", ""),
}


@pytest.mark.long
@settings(max_examples=examples(3, 6), deadline=None)
@given(code=st.sampled_from(sorted(DEFECTS)), place=st.integers(0, 3))
def test_one_defect_gives_its_code_and_loses_no_other_row(
    code: str, place: int
) -> None:
    records = valid()
    records["enrollments"].insert(place, copy.deepcopy(DEFECTS[code]))

    _, findings, rejects, counts = staged_content(records)
    assert rejects == {"NEW": code}
    assert findings == {("enrollments", code, "reject")}
    assert counts == {code: 1}
