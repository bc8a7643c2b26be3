"""Configuration and environment: mistakes have a place, variables have a page.

The keys of a target's file are tested in targets/test_definition.py.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from d118_pipelines.config.district import District
from d118_pipelines.config.project import Project, environment_value
from d118_pipelines.config.yaml_files import read_model
from d118_pipelines.errors import ConfigurationError, MissingSecretError
from d118_pipelines.targets.definition import (
    load_targets,
    read_target,
    read_targets,
)
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder

PACKAGE = REPOSITORY / "d118_pipelines"
HR_YAML = "mappings/targets/hr_records.yaml"
SCHEDULE = 'schedule: {cron: "15 4 * * *", deadline: "0 6 * * *"}'
WHOLE = "id: d\nname: A district\ntime_zone: America/Chicago\n"
# Dagster's and Python's own variables, explained by their own pages.
FOREIGN = {"PATH", "HOME", "COLUMNS", "PGPASSWORD"}


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project")


def mistake(tmp_path: Path, text: str) -> str:
    """What is said about a district.yaml with this text."""
    path = tmp_path / "district.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_model(District, path)
    return str(caught.value)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "district.yaml"
    path.write_text("\ufeff" + WHOLE, "utf-8")

    district = read_model(District, path)

    assert district.zone.key == "America/Chicago"
    assert district.approval_hours == 24
    assert district.alerts.webhook_env == "ALERT_WEBHOOK_URL"
    assert district.alerts.email is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (WHOLE + "zone: x\n", "district.yaml:4, key zone: unknown key"),
        (WHOLE.replace("name:", "nam:"), "key name: missing key"),
        (WHOLE + "approval_hours: soon\n", "district.yaml:4, key approval_hours: "),
        (WHOLE + 'approval_hours: "24"\n', "district.yaml:4, key approval_hours: "),
        (
            WHOLE + "alerts:\n  webhook: x\n",
            "district.yaml:5, key alerts.webhook: unknown key",
        ),
        (
            WHOLE + "alerts:\n  email:\n    to: [1]\n    sender: s@d.example\n",
            "district.yaml:6, key alerts.email.to[0]: ",
        ),
        (
            WHOLE.replace("Chicago", "Wauconda"),
            "district.yaml:3, key time_zone: America/Wauconda is not a time zone",
        ),
    ],
)
def test_a_mistake_names_file_line_and_key(
    tmp_path: Path, text: str, says: str
) -> None:
    assert says in mistake(tmp_path, text)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = mistake(tmp_path, "id: 1\nname: 2\ntime_zone: 3\nmore: 4\n")

    assert "has 4 wrong entries" in text
    for line, key in enumerate(["id", "name", "time_zone", "more"], start=1):
        assert f"district.yaml:{line}, key {key}: " in text
    assert "Nothing was started." in text
    assert "d118 doctor" in text


def test_a_missing_file_is_named(project: ProjectFolder) -> None:
    (project.root / "config/district.yaml").unlink()

    answer = project.d118("status")

    assert answer.code == 2
    assert "config/district.yaml does not exist." in answer.err


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (
            '{cron: "15 4 * *", deadline: "0 6 * * *"}',
            "key schedule.cron: 15 4 * * is neither",
        ),
        (
            '{cron: "75 4 * * *", deadline: "0 6 * * *"}',
            "key schedule.cron: 75 4 * * * is neither",
        ),
        (
            '{cron: "15 4 * * *", deadline: "0 26 * * *"}',
            "key schedule.deadline: 0 26 ",
        ),
        (
            '{cron: "15 4 * * *", deadline: "0 6 * * *", time_zone: Chicago}',
            "key schedule.time_zone: Chicago is not a time zone",
        ),
    ],
)
def test_a_time_that_never_comes_is_a_mistake(
    project: ProjectFolder, new: str, says: str
) -> None:
    project.edit(HR_YAML, SCHEDULE, f"schedule: {new}")

    with project.entered():
        _, [broken] = load_targets(project.root)

    assert f"{HR_YAML}:" in broken.line
    assert says in broken.line


@pytest.mark.parametrize(
    "name", ["my-target", "Target", "9th", "approve", "powerschool"]
)
def test_a_target_has_a_name_that_dagster_takes(
    project: ProjectFolder, name: str
) -> None:
    path = project.root / f"mappings/targets/{name}.yaml"
    (project.root / HR_YAML).rename(path)

    with pytest.raises(ConfigurationError) as caught:
        read_target(path, project.root / "sql/exports")

    assert f"{name}.yaml contradicts itself" in str(caught.value)
    assert "the file's name must be small letters" in str(caught.value)


def test_targets_are_read_in_the_order_of_their_names(project: ProjectFolder) -> None:
    (project.root / HR_YAML).rename(project.root / "mappings/targets/zz.yaml")

    names = [target.name for target in read_targets(project.root)]

    assert names == ["clever_sftp", "oneroster", "scim", "smartfind", "zz"]


def test_a_target_that_is_not_enabled_is_not_there(project: ProjectFolder) -> None:
    project.edit(HR_YAML, "title: HR Records", "title: HR Records\nenabled: false")

    assert "hr_records" not in [target.name for target in read_targets(project.root)]


def test_the_project_is_the_folder_that_one_is_in(project: ProjectFolder) -> None:
    with project.entered():
        assert Project.here() == Project(project.root, project.root / "var")


def test_elsewhere_the_project_is_that_of_the_package(
    project: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("D118_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    assert Project.here() == Project(REPOSITORY, REPOSITORY / "var")


@pytest.mark.parametrize(
    ("value", "home"), [("elsewhere", "elsewhere"), ("a/b", "a/b"), ("var", "var")]
)
def test_a_relative_home_lies_in_the_project(
    project: ProjectFolder, value: str, home: str
) -> None:
    with project.entered(D118_HOME=value):
        assert Project.here().home == project.root / home


def test_an_absolute_home_is_used_and_is_its_owner_s_alone(
    project: ProjectFolder, tmp_path: Path
) -> None:
    home = tmp_path / "srv/d118"

    answer = project.d118("ledger", "deliveries", D118_HOME=str(home))

    assert answer.code == 0
    assert (home / "d118.sqlite").is_file()
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "d118.sqlite").stat().st_mode & 0o777 == 0o600
    assert not project.home.exists()


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("D118_TEST_VARIABLE", raising=False)
        else:
            monkeypatch.setenv("D118_TEST_VARIABLE", value)
        with pytest.raises(MissingSecretError) as caught:
            environment_value("D118_TEST_VARIABLE", needed_for="this test")
        assert "D118_TEST_VARIABLE is not set." in str(caught.value)
        assert "needed for this test" in str(caught.value)

    monkeypatch.setenv("D118_TEST_VARIABLE", "value")
    assert environment_value("D118_TEST_VARIABLE", needed_for="this test") == "value"


def variables_read() -> set[str]:
    """Every name of a variable in the package's code and in the YAML files."""
    in_code = re.compile(
        r"""(?:environ(?:ment)?(?:\.get|\.setdefault)?[\[(]|environment_value\(|_env:\ str\ =\ |_number\(|port_of\(|VARIABLE\ =\ |OF_A_RUN\ =\ )
        \s*"(?:\$\{)?([A-Z0-9_]+)\}?\"""",
        re.X,
    )
    in_yaml = re.compile(
        r"^(?:\s*\w+_env: |[^#\n]*: \$\{|[^#\n]*\{env: )([A-Z0-9_]+)", re.M
    )
    found = {"OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_TENANT"}  # read in a loop
    for path in PACKAGE.rglob("*.py"):
        found |= set(in_code.findall(path.read_text("utf-8")))
    for folder in ("config", "deploy", "mappings"):
        for path in (REPOSITORY / folder).rglob("*.yaml"):
            if "catalog" not in path.parts:  # read once `d118 targets add` copied it
                found |= set(in_yaml.findall(path.read_text("utf-8")))
    return found - FOREIGN


def test_the_example_lists_exactly_the_variables_that_are_read() -> None:
    text = (REPOSITORY / ".env.example").read_text("utf-8")

    listed = re.findall(r"^#?([A-Z0-9_]+)=", text, re.M)

    assert len(listed) == len(set(listed))
    assert set(listed) == variables_read()
    assert len(listed) >= 17


def test_the_example_explains_every_variable_and_sets_none() -> None:
    lines = (REPOSITORY / ".env.example").read_text("utf-8").splitlines()

    for before, line in itertools.pairwise(lines):
        if re.match(r"#[A-Z0-9_]+=", line):
            assert before.startswith("#"), line
        assert not re.match(r"[A-Z0-9_]+=", line), line


def test_the_seeds_names_are_kept() -> None:
    seeds = {
        "POWERSCHOOL_READ_USER",
        "POWERSCHOOL_DB_PASSWORD",
        "POWERSCHOOL_PROD_DB",
        "HRRECORDS_SFTP_USERNAME",
        "HRRECORDS_SFTP_PASSWORD",
        "HRRECORDS_SFTP_ADDRESS",
        "SFE_SFTP_USERNAME",
        "SFE_SFTP_ADDRESS",
    }

    assert seeds <= variables_read()
