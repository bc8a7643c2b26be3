"""Applying plans: what stands in the tables afterwards, on both engines."""

from __future__ import annotations

import json

import pytest

from d118_pipelines_tests.roster.planning.rosters import (
    Roster,
    Staged,
    enrollment,
    person,
    school,
    section,
)
from d118_pipelines_tests.roster.store.stores import EVERYTHING, ROSTER, Store


def roster() -> Roster:
    return {
        "orgs": [school("10"), school("20"), school("D", org_type="district")],
        "terms": [
            {
                "external_id": "T",
                "name": "Year",
                "type": "schoolYear",
                "start_date": "2026-08-01",
                "end_date": "2027-06-01",
            }
        ],
        "courses": [{"external_id": "C", "name": "Art", "credits": 0.5}],
        "classes": [
            section("A", course_external_id="C", term_external_ids='["T"]'),
            section("B"),
        ],
        "users": [
            person("1", student_number="501", birth_date="2015-02-03", enabled=True),
            person("2", "teacher", email="two@staff.example"),
            person("3", agent_external_ids='["4"]'),
            person("4", "guardian"),
        ],
        "enrollments": [enrollment("1", "A"), enrollment("2", "A", "teacher")],
        "demographics": [{"external_id": "1", "asian": True}],
    }


def changed(entity: str, key: str, **values: object) -> Roster:
    found = roster()
    for row in found[entity]:
        if row["external_id"] == key:
            row.update(values)
    return found


def without(entity: str, *keys: str) -> Roster:
    found = roster()
    found[entity] = [r for r in found[entity] if r["external_id"] not in keys]
    return found


@pytest.mark.long
def test_the_first_sync_creates_all(store: Store) -> None:
    result = store.sync(roster())

    assert result.status == "SUCCESS"
    assert {n: s["created"] for n, s in result.stats.items()} == {
        "schools": 3,
        "terms": 1,
        "courses": 1,
        "classes": 2,
        "users": 4,
        "enrollments": 2,
        "demographics": 1,
    }
    assert store.rows("SELECT external_id FROM districts") == [("D",)]
    assert len(store.rows("SELECT 1 FROM schools")) == 2
    assert result.revision == 1
    [(stats, status)] = store.rows("SELECT stats_json, status FROM sis_sync_runs")
    assert json.loads(stats) == result.stats
    assert status == "SUCCESS"


@pytest.mark.long
def test_values_arrive_in_their_types(store: Store) -> None:
    store.begin((roster(), "sis"))

    [(birth, enabled)] = store.rows(
        "SELECT birth_date, enabled FROM users WHERE external_id = '1'"
    )
    assert (str(birth), bool(enabled)) == ("2015-02-03", True)
    assert store.rows("SELECT credits, grades FROM courses") == [(0.5, None)]
    assert store.rows("SELECT middle_name FROM users WHERE external_id = '1'") == [
        (None,)
    ]


@pytest.mark.long
def test_child_rows_follow_the_lists(store: Store) -> None:
    store.begin((roster(), "sis"))

    users, orgs = store.ids("users"), store.ids("orgs")
    roles = store.rows("SELECT user_id, school_id, role FROM user_roles")
    assert (users["2"], orgs["10"], "teacher") in [
        (str(u), str(s), r) for u, s, r in roles
    ]
    assert len(roles) == 4
    [pair] = store.rows("SELECT user_id, agent_id FROM user_agents")
    assert tuple(map(str, pair)) == (users["3"], users["4"])
    [pair] = store.rows("SELECT class_id, term_id FROM class_terms")
    assert tuple(map(str, pair)) == (store.ids("classes")["A"], store.ids("terms")["T"])
    [(user,)] = store.rows("SELECT user_id FROM demographics")
    assert str(user) == users["1"]


@pytest.mark.long
def test_the_same_roster_again_writes_the_run_row_only(store: Store) -> None:
    store.begin((roster(), "sis"))
    before = store.dump()

    result = store.sync(roster())

    assert (result.changed, result.revision) == (0, 1)
    assert store.dump() == before
    assert len(store.rows("SELECT 1 FROM sis_sync_runs")) == 2


@pytest.mark.long
def test_an_update_changes_one_record_and_keeps_its_old_values(store: Store) -> None:
    store.begin((roster(), "sis"))
    before = store.dump("users")["users"]
    moved = json.dumps([{"school_external_id": "20", "role": "teacher"}])

    result = store.sync(changed("users", "2", last_name="Other", roles=moved))

    assert result.stats["users"]["updated"] == 1
    assert len(set(store.dump("users")["users"]) - set(before)) == 1
    [(action, fields, old)] = store.rows(
        "SELECT action, fields, before FROM roster_history"
    )
    assert (action, set(json.loads(fields))) == ("update", {"last_name", "roles"})
    assert json.loads(old)["last_name"] == "Example"
    roles = store.rows("SELECT user_id, school_id FROM user_roles WHERE role='teacher'")
    assert [(str(u), str(s)) for u, s in roles] == [
        (store.ids("users")["2"], store.ids("orgs")["20"])
    ]


@pytest.mark.long
def test_who_is_gone_turns_inactive_and_returns_under_the_same_id(store: Store) -> None:
    store.begin((roster(), "sis"))
    ids = store.ids("users")

    gone = store.sync(without("users", "3"))
    assert gone.stats["users"]["deactivated"] == 1
    assert store.statuses("users")["3"] == "inactive"
    [row] = store.rows(
        "SELECT inactive_reason, deactivated_by_run, deactivated_at IS NULL FROM users "
        "WHERE external_id = '3'"
    )
    assert row == ("missing", "00000002-district-118", False)
    assert store.rows("SELECT external_id FROM external_ids WHERE NOT active") == [
        ("3",)
    ]

    back = store.sync(roster())
    assert back.stats["users"]["reactivated"] == 1
    assert store.ids("users") == ids
    [row] = store.rows(
        "SELECT status, inactive_reason, deactivated_by_run FROM users "
        "WHERE external_id = '3'"
    )
    assert row == ("active", None, None)


@pytest.mark.long
def test_a_retired_row_turns_inactive_with_its_reason(store: Store) -> None:
    store.begin((roster(), "sis"))

    retired = {"status": "inactive", "inactive_reason": "tobedeleted"}
    result = store.sync(changed("enrollments", "1-A", **retired))

    assert result.stats["enrollments"]["retired"] == 1
    assert store.rows(
        "SELECT inactive_reason FROM enrollments WHERE status = 'inactive'"
    ) == [("tobedeleted",)]


@pytest.mark.long
def test_absence_that_is_not_proven_counts_the_second_time(store: Store) -> None:
    store.begin((roster(), "sis"))
    ended = Staged(without("users", "3"), absence="ended")

    store.sync(ended)
    assert store.rows("SELECT entity, external_id FROM absent_once") == [("users", "3")]
    store.sync(Staged(roster(), absence="ended"))
    assert store.rows("SELECT entity, external_id FROM absent_once") == []
    store.sync(ended)
    assert store.statuses("users")["3"] == "active"
    store.sync(ended)
    assert store.statuses("users")["3"] == "inactive"
    assert store.rows("SELECT entity, external_id FROM absent_once") == []


@pytest.mark.long
def test_a_suspended_record_stays_suspended(store: Store) -> None:
    store.begin((roster(), "sis"))
    with store.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE users SET status = 'suspended' WHERE external_id IN ('1', '3')"
        )

    store.sync(changed("users", "1", last_name="Other"))
    assert store.rows("SELECT last_name, status FROM users WHERE external_id='1'") == [
        ("Other", "suspended")
    ]
    store.sync(without("users", "3"))
    assert store.statuses("users")["3"] == "suspended"


@pytest.mark.long
def test_rejected_rows_and_withheld_records_make_the_run_partial(store: Store) -> None:
    store.begin((roster(), "sis"))

    left = Staged(without("users", "3"), rejected=[("users", "3")])
    assert store.sync(left).status == "PARTIAL"
    assert store.statuses("users")["3"] == "active"
    result = store.sync(without("users", "3"), deactivate_missing=False)
    assert result.status == "PARTIAL"
    assert result.stats["users"]["withheld"] == 1
    assert store.rows("SELECT status FROM sync_jobs") == [("completed",)] * 3


@pytest.mark.long
def test_a_switched_off_entity_stays_as_it_is(store: Store) -> None:
    store.begin((roster(), "sis"))
    before = store.dump("enrollments", "demographics")
    some = {n: r for n, r in roster().items() if n not in before}

    store.sync(some)

    assert store.dump("enrollments", "demographics") == before


@pytest.mark.long
def test_two_districts_share_a_database_and_nothing_else(store: Store) -> None:
    other = Store(store.database, store.folder, "other-district", {"other_sis": 100})
    store.sync(roster())
    mine = store.dump(*ROSTER)

    assert other.sync(roster(), "other_sis").stats["users"]["created"] == 4
    other.sync(without("users", "3"), "other_sis")

    after = store.dump(*ROSTER)
    for table, rows in mine.items():
        assert set(rows) <= set(after[table]), table
    assert store.sync(roster()).changed == 0
    assert {table for table in EVERYTHING if store.rows(f"SELECT 1 FROM {table}")} >= {
        "orgs",
        "users",
    }
