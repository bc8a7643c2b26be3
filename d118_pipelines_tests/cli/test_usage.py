"""The command line as a whole: help, wrong usage, its page, where it may be started."""

from __future__ import annotations

import datetime as dt
import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from d118_pipelines.cli import cli_reference
from d118_pipelines.cli.interrupted import interrupted
from d118_pipelines.cli.output import as_typed
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import database as db
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder

COMMANDS = {
    "preview",
    "doctor",
    "test-connection",
    "run",
    "resend",
    "plan",
    "findings",
    "approve",
    "status",
    "runs",
    "pause",
    "resume",
    "explain",
    "compare",
    "targets",
    "ledger",
}


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    return ProjectFolder(tmp_path_factory.mktemp("usage") / "project", PEOPLE)


def test_the_help_mentions_every_command(anywhere: ProjectFolder) -> None:
    answer = anywhere.d118("--help")

    assert answer.code == 0
    for name in COMMANDS:
        assert f" {name} " in answer.out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(anywhere: ProjectFolder, name: str) -> None:
    answer = anywhere.d118(name, "-h")

    assert answer.code == 0
    assert f"Usage: d118 {name}" in answer.out


@pytest.mark.parametrize(
    "wrong",
    [
        ["nothing"],
        ["run"],
        ["run", "hr_records", "smartfind"],
        ["run", "hr_records", "--force"],
        ["runs", "--limit", "0"],
        ["runs", "--limit", "many"],
        ["approve", "hr_records"],
        ["compare", "hr_records"],
        ["ledger", "nothing"],
        ["ledger", "seed", "smartfind"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(anywhere: ProjectFolder, wrong: list[str]) -> None:
    answer = anywhere.d118(*wrong)

    assert answer.code == 2
    assert "Usage: d118" in answer.err
    assert answer.out == ""


def test_the_page_of_commands_is_up_to_date() -> None:
    page = (REPOSITORY / "docs/cli.md").read_text(encoding="utf-8")

    assert page == cli_reference.page(), "make cli-reference"


def test_the_page_says_something_about_every_part() -> None:
    page = cli_reference.page()

    for name in COMMANDS:
        assert f"## `d118 {name}" in page
    assert "None" not in page


@pytest.mark.long
def test_a_project_without_a_target_is_a_short_answer(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    for path in (project.root / "mappings/targets").iterdir():
        path.unlink()

    assert "No target." in project.d118("status").out
    assert "No target in mappings/targets." in project.d118("targets", "list").out


def test_a_project_without_a_provider_says_how_to_add_one(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", [])

    for words in (("providers", "list"), ("status",)):
        told = " ".join(project.d118(*words).out.split())
        assert "no roster comes in" in told
        assert "docs/reference/providers.md" in told


def test_a_mistake_in_a_target_is_2_for_commands_about_it_alone(
    tmp_path: Path,
) -> None:
    project = ProjectFolder(tmp_path / "project")
    project.edit("mappings/targets/smartfind.yaml", "max_adds: 50", "max_ads: 50")

    answer = project.d118("run", "smartfind")

    assert answer.code == 2
    assert "key guard.max_ads: unknown key" in answer.err
    assert project.d118("plan", "smartfind").code == 2
    assert project.d118("targets", "list").code == 0


@pytest.mark.long
@pytest.mark.real
def test_started_as_a_program_it_answers_on_its_two_streams(
    delivered: ProjectFolder,
) -> None:
    good = delivered.run_d118("status", "--json")
    bad = delivered.run_d118("plan", "nobody")

    assert good.code == 0
    assert [state["state"] for state in json.loads(good.out)] == ["delivered"] * 2
    assert good.err == ""
    assert (bad.code, bad.out) == (2, "")
    assert bad.err.startswith("There is no target or provider nobody.")


def test_the_settings_of_the_project_are_read_from_its_env_file(
    project: ProjectFolder,
) -> None:
    del project.environment["POWERSCHOOL_CSV_DIR"]
    (project.root / ".env").touch(mode=0o600)
    (project.root / ".env").write_text("POWERSCHOOL_CSV_DIR=elsewhere\n", "utf-8")

    answer = project.d118("test-connection", "powerschool")

    assert answer.code == 1
    assert "elsewhere: found none" in answer.out


def test_it_says_its_version(anywhere: ProjectFolder) -> None:
    assert (
        anywhere.d118("--version").out
        == f"d118_pipelines {version('d118_pipelines')}\n"
    )


@pytest.mark.parametrize(
    ("typed", "known"),
    [("run sm", {"smartfind"}), ("run ", {"hr_records", "smartfind", "sis"})],
)
def test_the_shell_completes_names_of_targets_and_providers(
    anywhere: ProjectFolder, typed: str, known: set[str]
) -> None:
    anywhere.set_providers(
        {"id": "sis", "type": "CSV", "name": "SIS", "enabled": False}
    )
    words = f"d118 {typed}"

    answer = anywhere.d118(
        _D118_COMPLETE="complete_bash",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split(" ")) - 1),
    )

    assert set(answer.out.split()) == known


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("d118", "d118 status, not my-d118 status"),
        (".venv/bin/d118", ".venv/bin/d118 status, not my-d118 status"),
    ],
)
def test_hints_name_the_command_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, typed: str, said: str
) -> None:
    monkeypatch.setattr(sys, "argv", [typed])

    assert as_typed("d118 status, not my-d118 status") == said


def delivery(
    project: ProjectFolder, status: str, at: dt.datetime, name: str = "hr_records"
) -> None:
    """Give the last delivery of a target this status and start."""
    deliveries = db.deliveries
    project.change_state(
        deliveries.update()
        .where(deliveries.c.target == name)
        .values(status=status, started_at=at)
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("verified", "hr_records was already sent to outbox and read back."),
        ("started", "It does not count as delivered."),
    ],
)
def test_an_interrupted_command_says_what_was_sent(
    project: ProjectFolder, status: str, said: str
) -> None:
    since = utc_now()
    delivery(project, status, since)

    error = interrupted(project.project, ["run", "hr_records"], since)
    other = interrupted(project.project, ["run", "smartfind"], since)

    assert str(error).startswith("Interrupted.\n")
    assert said in str(error)
    assert error.exit_code == 130
    assert str(other) == "Interrupted; nothing was sent."
