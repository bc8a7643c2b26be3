"""A delta set on top of a bulk set is the next bulk set."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines.targets.build import Export
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.targets.oneroster.district import AIDES, district, person
from d118_pipelines_tests.targets.oneroster.drawn import rosters
from d118_pipelines_tests.targets.oneroster.reader import Reading, Row
from d118_pipelines_tests.targets.oneroster.rosters import (
    NOW,
    Exports,
    Roster,
    archive,
    broken,
    members,
    record,
    role,
)

LATER = NOW + dt.timedelta(days=1)


def applied(bulk: Reading, delta: Reading) -> dict[str, dict[str, Row]]:
    """What a receiver has after both, without status and dates."""
    files = {*bulk.rows, *delta.rows}
    state = {f: {r["sourcedId"]: r for r in bulk.rows.get(f, [])} for f in files}
    for file, rows in delta.rows.items():
        for row in rows:
            if row["status"] == "tobedeleted":
                del state[file][row["sourcedId"]]
            else:
                state[file][row["sourcedId"]] = row
    return {
        file: {
            key: row | {"status": "", "dateLastModified": ""}
            for key, row in rows.items()
        }
        for file, rows in state.items()
        if rows
    }


def three(
    exports: Exports, before: Roster, after: Roster, version: str
) -> list[Export]:
    """The bulk sets of both rosters, and the delta set between them."""
    options: dict[str, Any] = {"version": version, "demographics": True}
    first = exports.make(before, reads_back=False, **options)
    delta = exports.make(
        after, after=first, now=LATER, delivered_at=NOW, mode="delta", **options
    )
    second = exports.make(after, reads_back=False, **options)
    assert first is not None and delta is not None and second is not None
    return [first, delta, second]


@pytest.mark.long
@pytest.mark.parametrize("version", ["1.1", "1.2.1"])
@settings(max_examples=examples(1, 2), deadline=None)
@given(data=st.data())
def test_bulk_and_delta_are_the_next_bulk(version: str, data: st.DataObject) -> None:
    before = data.draw(rosters(version), label="before")
    after = data.draw(rosters(version), label="after")
    with tempfile.TemporaryDirectory() as folder:
        made = three(Exports(Path(folder)), before, after, version)
        first, delta, second = (Reading(archive(export), version) for export in made)

        assert [r.complaints for r in (first, delta, second)] == [[], [], []]
        assert set(broken(made[1])) <= {
            "guard.core_filled",
            "guard.removed_within_limit",
            "guard.changed_within_limit",
        }
        wanted = {
            file: {row["sourcedId"]: row for row in rows}
            for file, rows in second.rows.items()
        }
        assert applied(first, delta) == wanted


def changed(roster: Roster) -> Roster:
    """A user comes, one goes, one is renamed."""
    record(roster, "users", "S-9003").update(
        status="inactive", inactive_reason="missing"
    )
    roster["users"].append(person("S-9004", role("S5", "student")))
    record(roster, "users", "T-78").update(
        last_name="Other", updated_at=dt.datetime(2026, 9, 15, 20)
    )
    return roster


@pytest.mark.long
@pytest.mark.parametrize("version", ["1.1", "1.2.1"])
def test_a_delta_set_says_what_changed_and_when(tmp_path: Path, version: str) -> None:
    options: dict[str, Any] = {"version": version, "role_map": AIDES}
    exports = Exports(tmp_path)
    first = exports.make(district(), reads_back=False, **options)
    delta = exports.make(
        changed(district()),
        after=first,
        now=LATER,
        delivered_at=NOW,
        mode="delta",
        **options,
    )

    assert delta is not None and broken(delta) == {}
    reading = Reading(archive(delta), version)
    assert reading.complaints == []
    rows = {row["sourcedId"]: row for row in reading.rows["users"]}
    seen = "2026-09-16T12:00:00.000Z"
    assert {
        key: (row["status"], row["dateLastModified"]) for key, row in rows.items()
    } == {
        "S-9003": ("tobedeleted", seen),
        "S-9004": ("active", seen),
        "T-78": ("active", "2026-09-15T20:00:00.000Z"),
        # Contacts that only the student named go with it.
        "P-1": ("tobedeleted", seen),
        "P-2": ("tobedeleted", seen),
    }
    assert reading.ids("enrollments") == {"E-5"}


@pytest.mark.long
def test_a_day_without_change_is_a_manifest_alone(tmp_path: Path) -> None:
    exports = Exports(tmp_path)
    first = exports.make(district(), reads_back=False)
    delta = exports.make(district(), after=first, now=LATER, mode="delta")

    assert delta is not None and broken(delta) == {}
    got = members(delta)
    assert list(got) == ["manifest.csv"]
    assert ",bulk" not in got["manifest.csv"] and ",delta" not in got["manifest.csv"]


@pytest.mark.long
def test_the_first_delta_set_is_a_bulk_set(tmp_path: Path) -> None:
    export = Exports(tmp_path).make(district(), mode="delta")

    assert export is not None and broken(export) == {}
    reading = Reading(archive(export), "1.2.1")
    assert reading.modes["users"] == "bulk" and reading.complaints == []


@pytest.mark.long
def test_what_is_taken_back_may_contradict_what_is_now(tmp_path: Path) -> None:
    options: dict[str, Any] = {"version": "1.1", "role_map": AIDES}
    exports = Exports(tmp_path)
    first = exports.make(district(), reads_back=False, **options)
    after = district()
    record(after, "users", "S-9002")["roles"] = [role("S5", "aide")]
    delta = exports.make(after, after=first, now=LATER, mode="delta", **options)

    # The row that ends the enrollment says student, the user is none any more.
    assert delta is not None and broken(delta) == {}
    reading = Reading(archive(delta), "1.1")
    assert reading.ids("users") == {"S-9002"}
    assert [(r["sourcedId"], r["status"]) for r in reading.rows["enrollments"]] == [
        ("E-3", "tobedeleted")
    ]
