"""`limits.max_records` ends the pull of every type of provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines_tests.sources.clever.district import DISTRICT, small_district
from d118_pipelines_tests.support.bundles import set_of, write_folder
from d118_pipelines_tests.support.clever_server import CleverServer
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import (
    BearerGate,
    OneRosterServer,
    TokenGate,
)
from d118_pipelines_tests.support.roster_sync import (
    Entry,
    RosterProject,
    entry,
    oneroster,
)

USERS = "id,first_name,last_name,role,email\n1,Ada,Alder,student,ada@school.example\n"
MORE = "2,Bo,Birch,student,bo@school.example\n"


def check(root: Path, one: Entry, most: int) -> None:
    """So many records are read, with one less allowed nothing is stored."""
    project = RosterProject(root / "project", {**one, "limits": {"max_records": most}})
    project.pull("p")
    stored = sorted((project.home / "raw/p").iterdir())

    project.set_providers({**one, "limits": {"max_records": most - 1}})
    with pytest.raises(IncompleteExtractError, match=r"pull\.too_many_records"):
        project.pull("p")

    assert sorted((project.home / "raw/p").iterdir()) == stored


def test_of_a_oneroster_service(tmp_path: Path) -> None:
    with OneRosterServer(district(9), gate=TokenGate()) as server:
        most = max(len(rows) for rows in server.data.values())
        check(tmp_path, oneroster(server, "p"), most)


def test_of_classlink(tmp_path: Path) -> None:
    with OneRosterServer(district(9), gate=BearerGate("canary-key")) as server:
        config = {"tenantId": "t1", "baseUrl": server.url, "bearer": "${SECRET}"}
        one = entry("p", "CLASSLINK", config, secrets={"SECRET": "canary-key"})
        check(tmp_path, one, max(len(rows) for rows in server.data.values()))


def test_of_clever(tmp_path: Path) -> None:
    data = small_district(students=5)
    with CleverServer(data, district=DISTRICT, token="canary-token") as server:
        config = {
            "districtId": DISTRICT,
            "accessToken": "${SECRET}",
            "baseUrl": server.host,
        }
        one = entry("p", "CLEVER", config, secrets={"SECRET": "canary-token"})
        check(tmp_path, one, len(data["users"]))


def test_of_a_oneroster_set(tmp_path: Path) -> None:
    rows = set_of()
    write_folder(tmp_path / "set", rows)
    one = entry("p", "ONEROSTER_CSV", {"path": str(tmp_path / "set")})
    check(tmp_path, one, max(text.count("\n") - 1 for text in texts(tmp_path / "set")))


def texts(folder: Path) -> list[str]:
    """The data files of a set; every line is a record here."""
    paths = [p for p in folder.glob("*.csv") if p.name != "manifest.csv"]
    return [path.read_text("utf-8") for path in paths]


def test_of_sheets(tmp_path: Path) -> None:
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets/users.csv").write_text(USERS + MORE, "utf-8")
    check(tmp_path, entry("p", "CSV", {"path": str(tmp_path / "sheets")}), 2)


@pytest.mark.long
def test_of_powerschool(tmp_path: Path) -> None:
    config: dict[str, Any] = {"term_window": {"lead_days": 400, "tail_days": 400}}
    one = entry("p", "POWERSCHOOL", config, limits={"max_records": 10})
    project = RosterProject(tmp_path / "project", one)

    with pytest.raises(IncompleteExtractError, match=r"pull\.too_many_records"):
        project.stage("p")

    left = [path.name for path in project.home.glob("staged/p/*")]
    assert left == ["refused.parquet"]  # its findings
