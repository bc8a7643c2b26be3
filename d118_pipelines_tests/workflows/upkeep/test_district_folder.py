"""A district's own folder: what it holds counts, the rest comes from the package.

Belongs here: the files. Not here: the package installed from a wheel (`test_wheel.py`),
two districts at work (`faults/test_two_districts.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

from d118_pipelines.config.env_file import enter_folder
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError, NoFolderError
from d118_pipelines.kernel.shipped import SHIPPED
from d118_pipelines.roster.staging.powerschool import (
    RAW_COLLECTIONS,
    PowerSchoolSettings,
)
from d118_pipelines.sources.powerschool.schema import schema_file
from d118_pipelines.targets.definition import Target, read_targets
from d118_pipelines.workflows.monitoring.all_feeds import load_feeds
from d118_pipelines.workflows.providers.powerschool_source import read_query
from d118_pipelines.workflows.providers.provider_changes import add_provider
from d118_pipelines.workflows.providers.provider_sources import provider_mapping
from d118_pipelines.workflows.upkeep import district_folder
from d118_pipelines_tests.support.project import ProjectFolder

TARGETS = ["clever_sftp", "hr_records", "oneroster", "scim", "smartfind"]
PEOPLE_SQL = "sql/exports/hr_records/people.sql"


@pytest.fixture
def north(tmp_path: Path) -> ProjectFolder:
    """A folder that `d118 init` made, with no more in it."""
    district_folder.make_folder(
        tmp_path / "North 5", name="North: 5", time_zone="America/Denver"
    )
    return ProjectFolder.at(tmp_path / "North 5")


def target_of(project: ProjectFolder, name: str) -> Target:
    found = load_feeds(project.project.fresh()).targets
    return next(target for target in found if target.name == name)


def test_init_makes_a_folder_that_only_its_owner_reads(north: ProjectFolder) -> None:
    files = {p.relative_to(north.root).as_posix() for p in north.root.rglob("*")}
    district = north.project.district()

    assert files == {
        *("config", "config/district.yaml", "config/providers.yaml"),
        *("mappings", "mappings/targets", "sql", "dagster.yaml", "workspace.yaml"),
        *(".env", "known_hosts", ".shipped.json"),
    }
    private = [north.root, north.root / ".env", north.root / "known_hosts"]
    assert [path.stat().st_mode & 0o777 for path in private] == [0o700, 0o600, 0o600]
    assert (district.id, district.name) == ("north_5", "North: 5")
    assert district.time_zone == "America/Denver"


def test_a_provider_gets_no_id_that_a_shipped_target_has(north: ProjectFolder) -> None:
    with north.entered():
        made = add_provider(
            north.project,
            kind="CSV",
            name="HR records",
            config={},
            schedule=None,
            enabled=False,
            account="tester",
        )

    assert made == "hr_records_2"


def test_a_second_init_changes_nothing(north: ProjectFolder) -> None:
    (north.root / ".env").write_text("SCIM_TOKEN=kept\n")

    answer = north.d118("init", str(north.root))

    assert answer.code == 2 and "already" in answer.err
    assert (north.root / ".env").read_text() == "SCIM_TOKEN=kept\n"


def test_what_the_folder_does_not_hold_comes_from_the_package(
    north: ProjectFolder,
) -> None:
    feeds = load_feeds(north.project)

    assert [target.name for target in feeds.targets] == TARGETS
    assert [one.id for one in feeds.providers if one.model.enabled] == ["powerschool"]
    assert feeds.broken == []


def test_its_own_files_come_first(north: ProjectFolder) -> None:
    plain = target_of(north, "hr_records").fingerprint
    oneroster = target_of(north, "oneroster").fingerprint
    mapping = provider_mapping(north.project, north.project.providers()[0]).fingerprint
    for name in (PEOPLE_SQL, "mappings/layouts/oneroster_csv.yaml"):
        district_folder.copy_shipped(north.root, name)
    assert target_of(north, "hr_records").fingerprint == plain, "a copy changes nothing"
    copied = "sql/staging/powerschool/orgs.sql", "sql/powerschool/staff.sql"
    for name in copied:
        district_folder.copy_shipped(north.root, name)
    for path in [*north.root.rglob("*.sql"), north.root / "mappings/layouts"]:
        path = path / "oneroster_csv.yaml" if path.is_dir() else path
        mark = "-- own\n" if path.suffix == ".sql" else "# own\n"
        path.write_text(f"{mark}{path.read_text()}")

    assert target_of(north, "hr_records").sql("hr_records/people.sql")[:6] == "-- own"
    assert target_of(north, "hr_records").fingerprint != plain
    assert target_of(north, "oneroster").fingerprint != oneroster
    own = provider_mapping(north.project, north.project.providers()[0]).fingerprint
    assert own != mapping
    assert read_query(north.project, "staff").sql.startswith("-- own")
    assert not read_query(north.project, "students").sql.startswith("-- own")


def test_relations_of_powerschool_and_its_tables_can_be_its_own(
    north: ProjectFolder,
) -> None:
    import duckdb

    from d118_pipelines.roster.staging.powerschool import make_shared

    assert schema_file() == SHIPPED / "sql/schema/powerschool.sql"
    for name in ("sql/schema/powerschool.sql", "sql/staging/powerschool/buildings.sql"):
        district_folder.copy_shipped(north.root, name)
    own = "SELECT 1 AS is_kept, $district_id AS d, $state_exclude AS s, broken"
    (north.root / "sql/staging/powerschool/buildings.sql").write_text(own)

    with north.entered():
        assert schema_file() == north.root / "sql/schema/powerschool.sql"
    with contextlib.closing(duckdb.connect()) as duck:
        duck.execute("CREATE SCHEMA raw")
        for name in RAW_COLLECTIONS:
            duck.execute(f"CREATE TABLE raw.{name} (a INTEGER)")
        settings = PowerSchoolSettings("north", "North", today=None)
        with pytest.raises(duckdb.BinderException, match='"broken"'):
            make_shared(duck, settings, north.root)


def test_a_target_that_somebody_added_to_the_clone_is_not_listed(
    tmp_path: Path,
) -> None:
    added = SHIPPED / "mappings/targets/d118_test_of_init.yaml"
    added.touch()
    try:
        district_folder.make_folder(
            tmp_path / "west", name="", time_zone="America/Chicago"
        )
    finally:
        added.unlink()

    text = (tmp_path / "west/config/district.yaml").read_text(encoding="utf-8")
    assert "targets: [clever_sftp, hr_records, oneroster, scim, smartfind]" in text


def test_a_shipped_target_is_used_only_if_it_is_listed(north: ProjectFolder) -> None:
    listed = "targets: [clever_sftp, hr_records, oneroster, scim, smartfind]"
    north.edit("config/district.yaml", listed, "targets: [oneroster, gone]")
    district_folder.copy_shipped(north.root, "mappings/targets/hr_records.yaml")

    feeds = load_feeds(north.project)

    assert [target.name for target in feeds.targets] == ["hr_records", "oneroster"]
    assert [one.name for one in feeds.broken] == ["gone"]
    assert [one.name for one in read_targets(north.root)] == ["hr_records"]


@pytest.mark.parametrize(
    "name",
    [
        *("sql/roster/matching.sql", "sql/roster", "sql/staging/views.sql"),
        *("../secret.sql", "/etc/passwd", "mappings/../setup.py", "", ".", ".env"),
        *("mappings/nothing.yaml", "d118_pipelines/errors.py"),
    ],
)
def test_only_what_a_district_may_change_is_copied(
    name: str, north: ProjectFolder
) -> None:
    with pytest.raises(ConfigurationError, match="no shipped file"):
        district_folder.copy_shipped(north.root, name)


def test_a_folder_is_copied_whole_and_never_over_a_file(north: ProjectFolder) -> None:
    made = north.d118("customize", "sql/exports/smartfind")
    (north.root / "sql/exports/smartfind/people.sql").write_text("own")
    again = north.d118("customize", "sql/exports/smartfind")

    assert made.code == 0 and made.out.count("own now") == 5
    assert again.code == 2 and "already" in again.err
    assert (north.root / "sql/exports/smartfind/people.sql").read_text() == "own"


def test_the_catalog_is_the_shipped_one(north: ProjectFolder) -> None:
    names = north.d118("targets", "add").out.split()
    added = north.d118("targets", "add", names[0])

    assert added.code == 0, added.err
    assert names[0] in [target.name for target in load_feeds(north.project).targets]


@pytest.mark.long
def test_diff_says_what_is_own_and_what_has_changed_since(north: ProjectFolder) -> None:
    for name in (PEOPLE_SQL, "mappings/csv.yaml"):
        assert north.d118("customize", name).code == 0
    (north.root / PEOPLE_SQL).write_text("SELECT 1")
    (north.root / "mappings/targets/badges.yaml").write_text("title: Badges")
    (north.root / "sql/roster").mkdir()
    (north.root / "sql/roster/matching.sql").write_text("SELECT 1")
    record = north.root / ".shipped.json"
    older = json.loads(record.read_text()) | {
        PEOPLE_SQL: "0" * 64
    }  # of an older version
    record.write_text(json.dumps(older))

    files = {one["file"]: one for one in north.d118("diff", "--json").json()}

    assert {name: files[name]["state"] for name in files} == {
        "config/district.yaml": "changed",
        "config/providers.yaml": "same as shipped",
        "dagster.yaml": "same as shipped",
        "mappings/csv.yaml": "same as shipped",
        "mappings/targets/badges.yaml": "own",
        PEOPLE_SQL: "changed",
        "sql/roster/matching.sql": "not read: the engine uses the shipped one",
        "workspace.yaml": "same as shipped",
    }
    assert [one for one in files if files[one]["shipped_changed"]] == [PEOPLE_SQL]
    assert "+SELECT 1" in north.d118("diff", PEOPLE_SQL).out
    doctor = {one["check"]: one for one in north.d118("doctor", "--json").json()}
    assert PEOPLE_SQL in doctor["own files"]["found"]

    assert north.d118("diff", PEOPLE_SQL, "--seen").code == 0
    assert not any(
        one["shipped_changed"] for one in north.d118("diff", "--json").json()
    )


def test_the_repository_has_no_own_files() -> None:
    assert district_folder.own_files(SHIPPED) == []


@pytest.fixture
def foreign() -> Iterator[None]:
    """The environment of another district's shell."""
    variables = {
        **{"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
        **{"D118_HOME": "/other", "DATABASE_URL": "postgresql://other.example/x"},
        **{"HRRECORDS_SFTP_ADDRESS": "other.example", "PGPASSWORD": "other"},
        **{"D118_FROM_ENV_FILE": "SCIM_TOKEN", "DAGSTER_HOME": "/other"},
    }
    before = Path.cwd()
    with patch.dict(os.environ, variables, clear=True):
        yield
    os.chdir(before)


@pytest.mark.usefixtures("foreign")
def test_a_named_folder_gets_nothing_of_the_shell_but_the_machines(
    north: ProjectFolder,
) -> None:
    enter_folder(north.root)

    assert Path.cwd() == north.root
    assert set(os.environ) - {"PYTEST_CURRENT_TEST"} == {"PATH", "LANG", "LC_ALL"}
    assert Project.here() == Project(north.root, north.root / "var")


@pytest.mark.usefixtures("foreign")
def test_a_named_folder_must_be_a_districts(tmp_path: Path) -> None:
    with pytest.raises(NoFolderError, match="no district's folder"):
        enter_folder(tmp_path)

    assert os.environ["D118_HOME"] == "/other"


def test_project_is_heard_by_every_command(
    north: ProjectFolder, tmp_path: Path
) -> None:
    (north.root / ".env").write_text("D118_HOME=elsewhere\n")
    other = ProjectFolder.at(tmp_path)

    answer = other.d118("--project", str(north.root), "targets", "list", "--json")
    missing = other.d118("--project", str(tmp_path / "none"), "targets", "list")

    assert [one["target"] for one in answer.json()] == TARGETS
    assert (north.root / "elsewhere").is_dir() and not (tmp_path / "var").exists()
    assert missing.code == 2 and "no district's folder" in missing.err


def test_the_example_settings_are_those_of_a_new_folder(north: ProjectFolder) -> None:
    given = yaml.safe_load((north.root / "config/district.yaml").read_text())
    shipped = yaml.safe_load((SHIPPED / "config/district.yaml").read_text())

    own = {"id", "name", "time_zone", "targets"}
    assert {k: v for k, v in given.items() if k not in own} == {
        k: v for k, v in shipped.items() if k not in own
    }
