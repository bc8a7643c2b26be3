"""The roster as files for targets: which records, which columns, of one moment."""

from __future__ import annotations

import datetime as dt
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.store.snapshot import relation_columns, write_snapshot
from d118_pipelines.state.arrow import arrow_reading
from d118_pipelines_tests.roster.planning.rosters import Staged
from d118_pipelines_tests.roster.store.stores import DISTRICT, Store
from d118_pipelines_tests.roster.store.test_apply import roster, without
from d118_pipelines_tests.support.small_frames import small_frames

RELATIONS = [*ENTITIES, "class_terms", "user_roles", "user_agents"]


def snapshot(
    store: Store, folder: Path, district: str = DISTRICT
) -> dict[str, list[dict[str, Any]]]:
    """Every relation's rows, read back from its file."""
    with small_frames() as duck, arrow_reading(store.database) as reader:
        files = write_snapshot(
            reader, duck, RELATIONS, district=district, folder=folder
        )
        found = {}
        for name, path in files.items():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            rows = duck.execute(f"FROM read_parquet('{path}')")
            heads = [column[0] for column in rows.description or ()]
            found[name] = [dict(zip(heads, r, strict=True)) for r in rows.fetchall()]
    return found


@pytest.mark.long
def test_every_value_of_the_roster_is_in_it_with_its_type(
    store: Store, tmp_path: Path
) -> None:
    store.begin((roster(), "sis"))

    found = snapshot(store, tmp_path)

    users = {row["external_id"]: row for row in found["users"]}
    assert users["1"]["birth_date"] == dt.date(2015, 2, 3)
    assert (users["1"]["enabled"], users["2"]["enabled"]) == (True, None)
    assert users["1"]["updated_at"] == store.now.replace(tzinfo=None)
    assert str(users["1"]["id"]) == store.ids("users")["1"]
    [art] = found["courses"]
    assert art["credits"] == 0.5
    [demographics] = found["demographics"]
    assert (demographics["asian"], demographics["user_id"]) == (True, users["1"]["id"])
    assert len(found["enrollments"]) == 2


@pytest.mark.long
def test_links_lead_to_records_of_the_snapshot(store: Store, tmp_path: Path) -> None:
    store.begin((roster(), "sis"))

    found = snapshot(store, tmp_path)

    ids = {
        name: {row["external_id"]: row["id"] for row in found[name]}
        for name in ENTITIES
    }
    [link] = found["class_terms"]
    assert link == {"class_id": ids["classes"]["A"], "term_id": ids["terms"]["T"]}
    [agent] = found["user_agents"]
    assert agent == {"user_id": ids["users"]["3"], "agent_id": ids["users"]["4"]}
    assert {row["role"] for row in found["user_roles"]} == {
        "student",
        "teacher",
        "guardian",
    }


@pytest.mark.long
def test_inactive_records_are_not_in_it_but_disabled_users_are(
    store: Store, tmp_path: Path
) -> None:
    store.begin((roster(), "sis"))
    gone = without("users", "3")
    gone["enrollments"] = []
    for row in gone["users"]:
        if row["external_id"] == "2":
            row |= {"status": "inactive", "inactive_reason": "disabled"}
    store.sync(Staged(gone))

    found = snapshot(store, tmp_path)

    users = {row["external_id"]: row["inactive_reason"] for row in found["users"]}
    assert users == {"1": None, "2": "disabled", "4": None}
    assert found["enrollments"] == []


def test_another_districts_records_are_not_in_it(store: Store, tmp_path: Path) -> None:
    store.begin((roster(), "sis"))

    assert not any(snapshot(store, tmp_path, "district-7").values())


def change_elsewhere(store: Store, url: str, statement: str) -> None:
    """Commit a change in another process."""
    place = [str(store.database.path), url, statement]
    subprocess.run([sys.executable, "-c", _CHANGE, *place], check=True)


_CHANGE = """
import pathlib, sys
from d118_pipelines.state.database import Database
path, url, statement = sys.argv[1:]
with Database(pathlib.Path(path), url).transaction() as connection:
    connection.exec_driver_sql(statement)
"""


@pytest.mark.long
def test_what_is_committed_meanwhile_is_not_in_it(
    store: Store, url: str, tmp_path: Path
) -> None:
    store.begin((roster(), "sis"))
    with small_frames() as duck, arrow_reading(store.database) as reader:
        first = write_snapshot(
            reader, duck, ["classes"], district=DISTRICT, folder=tmp_path
        )
        before = duck.execute(f"SELECT count(*) FROM '{first['classes']}'").fetchall()
        change_elsewhere(store, url, "DELETE FROM classes WHERE external_id = 'B'")
        second = write_snapshot(
            reader, duck, ["classes"], district=DISTRICT, folder=tmp_path
        )
        after = duck.execute(f"SELECT count(*) FROM '{second['classes']}'").fetchall()

    assert before == after == [(2,)]


def test_a_relation_that_the_roster_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(ConfigurationError, match=r"roster\.pupils") as caught:
        relation_columns("pupils")

    assert "users" in str(caught.value)
