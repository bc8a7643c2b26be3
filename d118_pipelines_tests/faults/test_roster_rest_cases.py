"""Services of districts, from the exchange to the tables of the roster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines_tests.support.oneroster_data import district, person
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    Quirks,
    TokenGate,
)
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    RosterProject,
    SyncedDistrict,
    counts,
    oneroster,
)

PAGE = {"pageSize": 10}
STUDENTS = 25


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A roster database of each kind; the empty text is the project's SQLite file."""
    if request.param == "sqlite":
        yield ""
        return
    yield from new_database()


@pytest.fixture(scope="module")
def sis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncedDistrict]:
    """One school with 25 students and a teacher, in the roster already."""
    folder = tmp_path_factory.mktemp("sis")
    data, config = district(STUDENTS), dict(PAGE)
    with SyncedDistrict(folder, data, sync=PEOPLE_ONLY, config=config) as synced:
        yield synced


@pytest.mark.long
@pytest.mark.parametrize("quirks", [Quirks(total="page"), Quirks(total=10)])
def test_case_28_a_count_of_the_page_deactivates_nobody(
    quirks: Quirks, sis: SyncedDistrict, tmp_path: Path
) -> None:
    project = sis.begin(tmp_path)
    sis.server.quirks = quirks
    with pytest.raises(IncompleteExtractError, match=r"rest\.(unstable|incomplete)"):
        project.sync("sis")

    assert set(project.statuses("users").values()) == {"active"}

    project.set_providers(sis.entry(config={**PAGE, "trustTotal": False}))
    assert counts(project.sync("sis")) == {}


@pytest.mark.long
def test_case_27_people_behind_the_key_s_rights_do_not_stop_the_sync(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    project = sis.begin(tmp_path)
    sis.server.quirks = Quirks(total=STUDENTS + 8)
    with pytest.raises(IncompleteExtractError, match="of 33 rows came"):
        project.sync("sis")

    project.set_providers(sis.entry(config={**PAGE, "trustTotal": False}))
    sis.server.data = {**sis.data, "users": sis.data["users"][1:]}
    # What is absent once may be hidden; it leaves after the second time.
    assert counts(project.sync("sis")) == {}
    assert counts(project.sync("sis")) == {"deactivated": 1}


@pytest.mark.long
@pytest.mark.parametrize("way", ["basic", "body", "query"])
def test_case_30_each_form_of_a_token_request_is_a_setting(
    way: str, tmp_path: Path
) -> None:
    with OneRosterServer(district(2), gate=TokenGate()) as server:
        entry = oneroster(server, sync=PEOPLE_ONLY, config={"clientAuth": way})
        project = RosterProject(tmp_path / "project", entry)
        project.sync("sis")

    [asked, *_] = server.asked("token")
    is_basic = (asked.authorization or "").startswith("Basic ")
    where = "query" if asked.query else "secret" if b"secret" in asked.body else "form"
    expected = {"basic": (True, "form"), "body": (False, "secret")}
    assert (is_basic, where) == expected.get(way, (True, "query"))


BAD = ["Jo\x00sé", "Jo\ud83dsé", "Jo\udc00sé", "\udc00Jo\ud83d\x00sé"]


@pytest.mark.long
def test_characters_that_no_database_keeps_are_findings_of_their_rows(
    url: str, tmp_path: Path
) -> None:
    users = [
        person(number) | {"givenName": name, "metadata": {"note\x00": name}}
        for number, name in enumerate(BAD)
    ]
    whole = person(9) | {"givenName": "José \U0001f600 \\u0000"}
    data: Mapping[str, Any] = {**district(0), "users": [*users, whole]}
    with OneRosterServer(data, gate=TokenGate()) as server:
        entry = oneroster(server, sync=PEOPLE_ONLY)
        project = RosterProject(tmp_path / "project", entry, url=url)
        staged = project.stage("sis")
        assert project.sync("sis").status == "SUCCESS"

    names = dict(project.sql("SELECT external_id, first_name FROM users"))
    assert names.pop("U0000009") == whole["givenName"]
    assert names == {row["sourcedId"]: "José" for row in users}
    found = [
        row
        for row in pq.read_table(staged.findings_file).to_pylist()
        if row["code"] == "row.bad_character"
    ]
    assert [row["external_id"] for row in found] == [r["sourcedId"] for r in users]
    for row in found:
        assert (row["severity"], row["entity"]) == ("warn", "users")
        assert row["field"] == "givenName, metadata"
        assert "Jo" not in json.dumps(row)
