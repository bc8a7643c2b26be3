"""The demonstration district's own bundle passes the strict reader, version by version."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from pathlib import Path

import pytest

from d118_pipelines_tests.sources.oneroster_csv.pulls import pull_path
from d118_pipelines_tests.sources.oneroster_csv.test_staged import staged
from d118_pipelines_tests.support.roster_sync import RosterProject, rejected_rows
from d118_pipelines_tests.targets.oneroster.reader import Reading

TARGET = "mappings/targets/oneroster.yaml"
SIS = {
    "id": "powerschool",
    "type": "POWERSCHOOL",
    "name": "PowerSchool",
    "schedule": None,
    "config": {"student_email_domain": "d118.example"},
}


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    """The demonstration district, in the roster."""
    project = RosterProject(tmp_path_factory.mktemp("demonstration") / "project", SIS)
    project.sync("powerschool")
    return project


@pytest.mark.long
@pytest.mark.parametrize("version", ["1.1", "1.2", "1.2.1"])
def test_the_demonstration_district_is_delivered_and_strictly_right(
    synced: RosterProject, tmp_path: Path, version: str
) -> None:
    project = synced.copied(tmp_path / "project")
    project.edit(TARGET, '  version: "1.2.1"', f'  version: "{version}"')
    if version == "1.1":
        project.edit(TARGET, "role_map: []", "role_map: ['ext:staff=aide']")

    project.deliver("oneroster")

    archive = tmp_path / "sent.zip"
    shutil.copy(project.home / "outbox/oneroster/oneroster.zip", archive)
    reading = Reading(archive, version)
    assert reading.complaints == []
    assert len(reading.rows["users"]) > 4_600
    assert len(reading.rows["enrollments"]) > 31_500
    # What we send we can read: by a provider ONEROSTER_CSV without settings of its own.
    found = staged(pull_path(archive, tmp_path), tmp_path)
    assert rejected_rows(found) == []
    assert found.held_reason is None
    register = project.d118("ledger", "disclosures", "--json").json()
    told = {row["entity"]: set(row["elements"]) for row in register}
    assert told == filled_columns(archive)


def filled_columns(archive: Path) -> dict[str, set[str]]:
    """Data file -> the columns in which any row has a value."""
    found: dict[str, set[str]] = {}
    with zipfile.ZipFile(archive) as opened:
        for name in set(opened.namelist()) - {"manifest.csv"}:
            text = opened.read(name).decode("utf-8")
            rows = csv.DictReader(io.StringIO(text, newline=""))
            found[name] = {column for row in rows for column, v in row.items() if v}
    return found
