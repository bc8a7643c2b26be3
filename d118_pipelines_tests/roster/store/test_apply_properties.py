"""apply(a, plan(a, b)) = b, over random small rosters, on both engines."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d118_pipelines.state.database import Database
from d118_pipelines_tests.roster.planning.rosters import (
    Roster,
    enrollment,
    person,
    school,
    section,
)
from d118_pipelines_tests.roster.store.stores import Store
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.templates import new_state

NAMES = st.sampled_from(["Ada", "Ben", "", "O'Neil", 'A "B", C', "%s", "Zoë\n"])


@st.composite
def rosters(draw: st.DrawFn) -> Roster:
    """Some of five people in some of two sections."""
    people = [
        person(
            key,
            "teacher" if key == "5" else "student",
            first_name=draw(NAMES) or None,
            middle_name=draw(NAMES),
            enabled=draw(st.sampled_from([True, False, None])),
        )
        for key in draw(st.sets(st.sampled_from("12345"), min_size=1))
    ]
    pairs = draw(st.sets(st.tuples(st.sampled_from(people_keys(people)), sections())))
    return {
        "orgs": [school("10")],
        "classes": [section("A"), section("B", name=draw(NAMES) or "B")],
        "users": people,
        "enrollments": [enrollment(*pair) for pair in sorted(pairs)],
    }


def people_keys(people: list[dict[str, Any]]) -> list[str]:
    return [p["external_id"] for p in people]


def sections() -> st.SearchStrategy[str]:
    return st.sampled_from("AB")


def active(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """What stands in the active records, under the ids of the source."""
    values = {
        "classes": "external_id, name",
        "users": "external_id, first_name, middle_name, enabled",
        "enrollments": "external_id, role",
    }
    return {
        entity: sorted(
            map(repr, store.rows(f"SELECT {c} FROM {entity} WHERE status = 'active'"))
        )
        for entity, c in values.items()
    }


def expected(rows: Roster, is_postgres: bool) -> dict[str, list[str]]:
    def enabled(value: bool | None) -> Any:
        return value if is_postgres or value is None else int(value)

    return {
        "classes": sorted(repr((r["external_id"], r["name"])) for r in rows["classes"]),
        "users": sorted(
            repr(
                (
                    r["external_id"],
                    r["first_name"],
                    r["middle_name"],
                    enabled(r["enabled"]),
                )
            )
            for r in rows["users"]
        ),
        "enrollments": sorted(
            repr((r["external_id"], r["role"])) for r in rows["enrollments"]
        ),
    }


def check(store: Store, days: list[Roster]) -> None:
    before = 0
    for rows in days:
        result = store.sync(rows)
        assert active(store) == expected(rows, store.database.is_postgres)
        stats = result.stats["users"]
        [(count,)] = store.rows("SELECT count(*) FROM users WHERE status = 'active'")
        came = stats["created"] + stats["reactivated"] - stats["deactivated"]
        assert before + came == count
        before = count
    assert store.sync(days[-1]).changed == 0


@pytest.mark.long
@settings(
    max_examples=examples(2, 5),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(days=st.lists(rosters(), min_size=2, max_size=3))
def test_the_active_records_are_what_was_sent_last(days: list[Roster]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "d118.sqlite"
        new_state(file)
        check(Store(Database(file, ""), Path(folder)), days)


@pytest.mark.real
@pytest.mark.long
@settings(
    max_examples=examples(2, 5),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(days=st.lists(rosters(), min_size=2, max_size=3))
def test_the_same_holds_on_postgresql(days: list[Roster]) -> None:
    for url in new_database():
        with TemporaryDirectory() as folder:
            path = Path(folder)
            check(Store(Database(path / "d118.sqlite", url), path), days)
