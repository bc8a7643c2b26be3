"""What holds for every roster: order does not matter, every field is in the hash."""

from __future__ import annotations

import copy
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.model.entities import COMMON_COLUMNS, ENTITIES, Entity
from d118_pipelines.roster.staging.final_rows import row_hash
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


@settings(max_examples=examples(3, 30), deadline=None)
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


@settings(max_examples=examples(3, 30), deadline=None)
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


def changed(kind: str, value: Any) -> Any:
    """Another value of the same kind."""
    if kind == "VARCHAR":
        return value + "x"
    return {"BOOLEAN": not value, "DATE": "2026-01-02"}.get(kind, 2)


def sample(kind: str) -> Any:
    values = {"VARCHAR": "a", "BOOLEAN": True, "DATE": "2026-01-01"}
    return values.get(kind, "2026-01-01" if kind == "TIMESTAMP" else 1)


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=lambda e: e.name)
def test_c5_every_field_changes_the_hash(entity: Entity) -> None:
    columns = entity.staged_columns()
    row = {name: sample(kind) for name, kind in columns.items()}
    unhashed = set(COMMON_COLUMNS) - {"external_id", "status", "inactive_reason"}

    with open_frames() as duck:
        casts = ", ".join(f"CAST(${n} AS {k}) AS {n}" for n, k in columns.items())
        sql = f"SELECT {row_hash(columns)} FROM (SELECT {casts})"

        def hashed(values: dict[str, Any]) -> str:
            return str(duck.execute(sql, values).fetchall()[0][0])

        before = hashed(row)
        for name, kind in columns.items():
            if name in unhashed:
                continue
            assert hashed(row | {name: changed(kind, row[name])}) != before, name
            assert hashed(row | {name: None}) != before, name


def test_c5_a_nested_change_changes_the_hash(tmp_path: Path) -> None:
    records = valid()
    before = rows(Bench(tmp_path / "a").json(records), "users")["S1"]
    records["users"][0]["roles"][0]["beginDate"] = "2026-08-17"

    after = rows(Bench(tmp_path / "b").json(records), "users")["S1"]
    assert json.loads(after["roles"])[0]["begin_date"] == "2026-08-17"
    assert after["row_hash"] != before["row_hash"]
