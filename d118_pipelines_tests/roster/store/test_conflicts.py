"""Conflicts: one case per evidence, closed by a person with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.store.conflicts import list_conflicts, resolve_conflict
from d118_pipelines.state.database import audit_log
from d118_pipelines_tests.roster.planning.rosters import Roster, person
from d118_pipelines_tests.roster.store.stores import NOW, Store
from d118_pipelines_tests.roster.store.test_apply import roster

SHARED = "family@families.example"


def theirs() -> Roster:
    """Two children with one e-mail, in the other provider."""
    people = [person("c1", email=SHARED), person("c2", email=SHARED)]
    return {"orgs": roster()["orgs"], "users": people}


def cases(store: Store, **more: Any) -> list[Any]:
    with store.database.reading() as connection:
        return list(list_conflicts(connection, district=store.district, **more))


def resolve(store: Store, case_id: str, resolution: str, **more: Any) -> None:
    values = {"reason": "asked the school", "account": "clerk", "now": NOW, **more}
    with store.database.transaction() as connection:
        resolve_conflict(
            connection,
            case_id,
            district=store.district,
            resolution=resolution,
            **values,
        )


@pytest.fixture
def conflicted(store: Store) -> Store:
    mine = roster()
    mine["users"][0]["email"] = SHARED
    result = store.begin((mine, "sis"), (theirs(), "clever"))
    assert (result.status, result.new_conflicts) == ("PARTIAL", 2)
    return store


@pytest.mark.long
def test_the_same_case_again_adds_nothing(conflicted: Store) -> None:
    found = cases(conflicted)
    assert [c["external_id"] for c in found] == ["c1", "c2"]
    assert {c["state"] for c in found} == {"OPEN"}

    assert conflicted.sync(theirs(), "clever").new_conflicts == 0
    assert cases(conflicted) == found


@pytest.mark.long
def test_kept_separate_creates_and_does_not_open_again(conflicted: Store) -> None:
    for case in cases(conflicted, provider="clever"):
        resolve(conflicted, case["id"][:8], "RESOLVED_KEPT_SEPARATE")
    assert cases(conflicted) == []
    assert len(cases(conflicted, is_open=False)) == 2

    result = conflicted.sync(theirs(), "clever")

    assert result.stats["users"]["created"] == 2
    assert conflicted.sync(theirs(), "clever").new_conflicts == 0
    with conflicted.database.reading() as connection:
        actions = [row.action for row in connection.execute(audit_log.select())]
    assert actions.count("conflict resolved") == 2


@pytest.mark.long
def test_merged_links_to_the_record_that_was_named(conflicted: Store) -> None:
    record = conflicted.ids("users")["1"]
    resolve(conflicted, cases(conflicted)[0]["id"], "RESOLVED_MERGED", record=record)

    conflicted.sync(theirs(), "clever")

    [(linked, rule)] = conflicted.rows(
        "SELECT internal_id, rule FROM external_ids WHERE external_id = 'c1'"
    )
    assert (str(linked), rule) == (record, "resolved")


@pytest.mark.long
def test_dismissed_cases_stay_closed(conflicted: Store) -> None:
    for case in cases(conflicted):
        resolve(conflicted, case["id"], "DISMISSED")

    assert conflicted.sync(theirs(), "clever").new_conflicts == 0
    assert cases(conflicted) == []


@pytest.mark.long
def test_what_cannot_be_resolved_is_refused(conflicted: Store) -> None:
    case = cases(conflicted)[0]["id"]
    other = "00000000-0000-0000-0000-000000000000"
    for case_id, resolution, more in [
        (case, "OPEN", {}),
        (case, "DISMISSED", {"reason": " "}),
        (case[:7], "DISMISSED", {}),
        ("no such case", "DISMISSED", {}),
        (case, "RESOLVED_MERGED", {"record": other}),
    ]:
        with pytest.raises(ConfigurationError):
            resolve(conflicted, case_id, resolution, **more)
    assert len(cases(conflicted)) == 2
