"""Undo: what the last sync changed is as it was before it, and nothing else moves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from d118_pipelines.config.guard_limits import RosterGuard
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.store.apply import ApplyResult
from d118_pipelines.roster.store.undo import Undo, apply_undo, plan_undo
from d118_pipelines_tests.roster.planning.rosters import Roster, person
from d118_pipelines_tests.roster.store.stores import ACTOR, ZONE, Store
from d118_pipelines_tests.roster.store.test_apply import changed, roster, without
from d118_pipelines_tests.support.small_frames import small_frames

# What a record is, without when and by whom it was last touched.
VALUES = {
    "users": "id, provider_id, external_id, status, inactive_reason, row_hash, email, "
    "last_name, birth_date, enabled, roles",
    "enrollments": "id, external_id, status, inactive_reason, role, row_hash",
    "user_roles": "user_id, school_id, role",
    "external_ids": "provider_id, external_id, internal_id, active",
}


def planned(store: Store, provider: str = "sis") -> Undo:
    store.count += 1
    with small_frames() as duck:
        return plan_undo(
            store.database,
            duck,
            district=store.district,
            provider=provider,
            plans_folder=store.folder / "undo",
            guard=RosterGuard(),
            zone=ZONE,
            run_id=store.run_id,
            now=store.now,
        )


def undo(store: Store, provider: str = "sis") -> ApplyResult:
    plan = planned(store, provider).plan
    with small_frames() as duck, store.database.transaction() as connection:
        return apply_undo(
            connection, duck, plan, run_id=plan.run_id, now=store.now, actor=ACTOR
        )


def values(store: Store) -> dict[str, list[Any]]:
    return {
        table: sorted(map(str, store.rows(f"SELECT {columns} FROM {table}")))
        for table, columns in VALUES.items()
    }


@pytest.mark.long
def test_updates_and_departures_are_put_back(store: Store) -> None:
    store.begin((roster(), "sis"))
    before = values(store)
    after: Roster = changed("users", "2", last_name="Other", email=None)
    after["users"] = [r for r in after["users"] if r["external_id"] != "3"]
    after["enrollments"] = after["enrollments"][:1]
    store.sync(after)
    assert values(store) != before

    result = undo(store)

    assert values(store) == before
    assert result.stats["users"]["updated"] == 1
    assert result.stats["users"]["reactivated"] == 1
    assert store.rows(
        "SELECT kind, status, undoes_run FROM sis_sync_runs WHERE kind = 'undo'"
    ) == [("undo", "SUCCESS", "00000002-district-118")]
    assert store.sync(after).stats["users"]["updated"] == 1


@pytest.mark.long
def test_new_records_turn_inactive_and_returners_as_they_were(store: Store) -> None:
    store.begin((without("users", "3"), "sis"))
    store.sync(without("users", "2", "3"))
    before = values(store)
    grown = roster()
    grown["users"].append(person("9"))
    store.sync(grown)

    undo(store)

    rows = store.rows("SELECT external_id, status, inactive_reason FROM users")
    assert sorted(rows) == [
        ("1", "active", None),
        ("2", "inactive", "missing"),
        ("3", "inactive", "undone"),
        ("4", "active", None),
        ("9", "inactive", "undone"),
    ]
    assert set(before["users"]) <= set(values(store)["users"])
    again = store.sync(grown)
    assert again.stats["users"]["reactivated"] == 3
    assert again.stats["users"]["created"] == 0


@pytest.mark.long
def test_a_record_of_the_other_provider_is_only_unlinked(store: Store) -> None:
    store.begin((roster(), "sis"))
    mail = "two@staff.example"
    theirs = {"orgs": roster()["orgs"], "users": [person("c2", "teacher", email=mail)]}
    store.sync(theirs, "clever")
    [(rule, active)] = store.rows(
        "SELECT rule, active FROM external_ids WHERE external_id = 'c2'"
    )
    assert (rule, bool(active)) == ("email", True)

    undo(store, "clever")

    assert store.rows("SELECT 1 FROM external_ids WHERE external_id = 'c2'") == []
    assert store.statuses("users")["2"] == "active"


@pytest.mark.long
def test_what_changed_again_since_is_named_and_left_alone(store: Store) -> None:
    store.begin((roster(), "sis"))
    store.sync(changed("users", "2", last_name="Other"))
    with store.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE users SET last_changed_run = 'by hand' WHERE external_id = '2'"
        )

    found = planned(store)

    assert [(f.code, f.entity, f.key) for f in found.findings] == [
        ("undo.changed_since", "users", "2")
    ]
    assert found.plan.changes == 0


@pytest.mark.long
def test_values_that_retention_erased_cannot_be_put_back(store: Store) -> None:
    store.begin((roster(), "sis"))
    store.sync(changed("users", "2", last_name="Other"))
    with store.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE roster_history SET before = NULL")

    assert [f.code for f in planned(store).findings] == ["undo.values_erased"]


@pytest.mark.long
def test_the_guard_judges_an_undo(store: Store) -> None:
    grown = roster()
    grown["users"] += [person(f"n{n}") for n in range(12)]
    store.sync(roster())
    store.sync(grown)

    plan = planned(store).plan

    assert plan.verdict == "held"
    assert plan.counts["users/students"].leaving == 12
    assert json.loads((plan.folder / "manifest.json").read_text())["hash"] == plan.hash


@pytest.mark.long
def test_an_undo_is_not_undone(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="ever applied"):
        planned(store)
    store.sync(roster())
    undo(store)
    with pytest.raises(ConfigurationError, match="itself an undo"):
        planned(store)
