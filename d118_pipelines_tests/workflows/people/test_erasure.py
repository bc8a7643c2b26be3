"""Erasure: of a person who left, only keys and dates stay; who is still there is untouched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.roster.model.tables import roster_revision
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines.workflows.people.erasure import erase_inactive
from d118_pipelines_tests.roster.planning.rosters import (
    Roster,
    enrollment,
    person,
    school,
    section,
)
from d118_pipelines_tests.roster.store.stores import NOW, Store
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.templates import new_state

LEFT, STAYS = "S-1", "S-2"
DAY = dt.timedelta(days=1)
ALL = 1_000_000


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.real, pytest.mark.long]),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A roster that one of two people has left, and what vendors were sent of both."""
    urls: Iterator[str] = iter([""])
    if request.param == "sqlite":
        new_state(tmp_path / "d118.sqlite")
    else:
        urls = new_database()
    for url in urls:
        made = Store(Database(tmp_path / "d118.sqlite", url), tmp_path)
        # A change before she leaves, so that the history has old values.
        made.begin(
            (roster(LEFT, STAYS), "sis"),
            (roster(LEFT, STAYS, title="moved"), "sis"),
            (roster(STAYS, title="moved"), "sis"),
        )
        _send(made)
        yield made


def roster(*people: str, **more: str) -> Roster:
    def one(key: str) -> dict[str, object]:
        values = {
            name: f"canary-{key}-{name}" for name in ("phone", "username", "title")
        }
        values |= {"email": f"canary-{key}@d118.example", "birth_date": "2011-02-03"}
        names = {"first_name": f"canary-{key}", "last_name": f"canary-{key}-family"}
        return person(key, **{**values, **names, **more})

    return {
        "orgs": [school("10")],
        "classes": [section("C-1")],
        "users": [one(key) for key in people],
        "enrollments": [enrollment(key, "C-1") for key in people],
        "demographics": [
            {
                "external_id": key,
                "user_external_id": key,
                "city_of_birth": f"canary-{key}-city",
            }
            for key in people
        ],
    }


def _send(store: Store) -> None:
    ids = store.ids("users")
    known = {"origin": "delivery", "last_hash": "h", "state_at": NOW}
    times = {"first_delivered_at": NOW, "last_delivered_at": NOW}
    with store.database.transaction() as connection:
        for key in (LEFT, STAYS):
            for target, entry, line in (
                ("scim", ids[key], f'{{"userName": "canary-{key}"}}'),
                ("smartfind", key, f"canary-{key}|line"),
            ):
                connection.execute(
                    db.delivery_ledger.insert().values(
                        **known,
                        **times,
                        target=target,
                        destination="outbox",
                        record_type="P",
                        key=entry,
                        identity=entry,
                        state="deactivated" if key == LEFT else "active",
                        last_delivery=f"delivery-{key}",
                        last_line=line,
                    )
                )
            connection.execute(
                db.deliveries.insert().values(
                    id=f"delivery-{key}",
                    target="smartfind",
                    destination="outbox",
                    status="verified",
                    plan_hash="p",
                    run_id="r",
                    folder="f",
                    files=[],
                    counts={},
                    read_back=[],
                    started_at=NOW,
                )
            )


def erase(store: Store, *, until: dt.datetime = NOW + DAY, last_run: int = ALL) -> int:
    with store.database.transaction() as connection:
        return erase_inactive(
            connection,
            district=store.district,
            until=until,
            last_run=last_run,
            last_delivery=1,
            now=NOW + DAY,
        )


def everything(store: Store) -> dict[str, str]:
    with store.database.reading() as connection:
        return {
            # Tuples: a row of SQLAlchemy shows long texts cut.
            table.name: str([tuple(row) for row in connection.execute(table.select())])
            for table in roster_revision.metadata.sorted_tables
        }


@pytest.mark.long
def test_of_who_left_only_keys_and_dates_stay(store: Store) -> None:
    before = everything(store)
    assert f"canary-{LEFT}" in before["users"]
    assert f"canary-{LEFT}" in before["roster_history"]

    assert erase(store) == 1

    after = everything(store)
    assert [name for name, rows in after.items() if f"canary-{LEFT}" in rows] == []
    assert store.statuses("users") == {LEFT: "deleted", STAYS: "active"}
    [(row,)] = store.rows(
        f"SELECT deactivated_at IS NOT NULL FROM users WHERE external_id = '{LEFT}'"
    )
    assert row
    assert f"canary-{STAYS}-family" in after["users"]
    assert f"canary-{STAYS}-city" in after["demographics"]
    assert f"canary-{STAYS}" in after["delivery_ledger"]
    keys = store.rows("SELECT key FROM delivery_ledger WHERE target = 'smartfind'")
    assert sorted(keys) == [(LEFT,), (STAYS,)]
    assert store.statuses("enrollments") == {f"{STAYS}-C-1": "active"}


@pytest.mark.long
def test_somebody_who_is_erased_comes_back_as_the_same_record(store: Store) -> None:
    ids = store.ids("users")
    erase(store)

    store.sync(roster(LEFT, STAYS))

    assert store.ids("users") == ids
    assert store.statuses("users") == {LEFT: "active", STAYS: "active"}
    assert f"canary-{LEFT}-family" in everything(store)["users"]
    assert set(store.statuses("demographics").values()) == {"active"}
    assert len(store.rows("SELECT 1 FROM enrollments WHERE status = 'active'")) == 2


@pytest.mark.long
def test_nobody_is_erased_before_the_time_by_clock_and_by_order(store: Store) -> None:
    before = everything(store)

    assert erase(store, until=NOW) == 0
    assert erase(store, last_run=2) == 0

    after = everything(store)
    del before["delivery_ledger"], after["delivery_ledger"]
    assert after == before
