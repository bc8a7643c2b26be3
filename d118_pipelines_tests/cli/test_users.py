"""`d118 users` and `d118 tokens`: who may use the console."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.accounts import account_by_password, account_by_token
from d118_pipelines.state.database import audit_log
from d118_pipelines.state.open import state_database
from d118_pipelines_tests.support.project import Answer, ProjectFolder

NAME, PASSWORD = "tech@d118.example", "correct horse battery"


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project")


def piped(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, text: str, *args: str
) -> Answer:
    """A command with a password in its standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{text}\n"))
    return project.d118(*args)


def test_an_account_is_made_changed_listed_and_removed(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ("users", "add", "Tech@D118.example", "--role", "DISTRICT_ADMIN")
    assert piped(project, monkeypatch, PASSWORD, *add).code == 0
    assert piped(project, monkeypatch, PASSWORD, *add).code == 2  # there is one
    [listed] = project.d118("users", "list", "--json").json()
    assert (listed["account"], listed["role"]) == (NAME, "DISTRICT_ADMIN")

    new = "another long password"
    assert piped(project, monkeypatch, new, "users", "passwd", NAME).code == 0
    with state_database(project.project).reading() as connection:
        assert account_by_password(connection, NAME, PASSWORD) is None
        assert account_by_password(connection, NAME, new) is not None

    assert project.d118("users", "remove", NAME).code == 0
    assert "No account yet" in project.d118("users", "list").out
    actions = [row.action for row in project.rows(audit_log)]
    assert actions == ["add account", "set password", "remove account"]


@pytest.mark.parametrize(
    ("password", "more"),
    [("too short", ()), ("", ()), (PASSWORD, ("--role", "TEACHER"))],
)
def test_what_cannot_be_is_refused(
    project: ProjectFolder,
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    more: tuple[str, ...],
) -> None:
    answer = piped(project, monkeypatch, password, "users", "add", NAME, *more)

    assert answer.code == 2
    assert "Nothing was changed" in answer.err
    assert project.d118("users", "list", "--json").json() == []


def test_a_key_is_shown_once_and_ends_with_its_token(project: ProjectFolder) -> None:
    project.d118("users", "add", NAME, "--no-password")
    made = project.d118("tokens", "add", NAME, "--label", "monitoring", "--days", "7")
    key = made.out.split()[-1]
    [token] = project.d118("tokens", "list", "--json").json()
    with state_database(project.project).reading() as connection:
        known = account_by_token(connection, key, now=utc_now())
    assert known is not None and known[1] == "read"
    assert key not in project.d118("tokens", "list").out

    assert project.d118("tokens", "remove", token["token"]).code == 0
    with state_database(project.project).reading() as connection:
        assert account_by_token(connection, key, now=utc_now()) is None
    assert project.d118("tokens", "remove", token["token"]).code == 2
