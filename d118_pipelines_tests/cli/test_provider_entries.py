"""`d118 providers add|set|remove`: what they write, test, ask and refuse."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from d118_pipelines.config.provider_forms import typed_value
from d118_pipelines.config.secrets import resolved
from d118_pipelines.state.database import audit_log
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    TokenGate,
)
from d118_pipelines_tests.support.project import Answer, ProjectFolder

FILE = "config/providers.yaml"
SECRET = "typed-secret"


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    made = ProjectFolder(tmp_path / "project")
    made.environment["ENCRYPTION_KEY"] = Fernet.generate_key().decode()
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[OneRosterServer]:
    gate = TokenGate("an-id", SECRET)
    parts = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
    with OneRosterServer({part: [] for part in parts}, gate=gate) as running:
        yield running


def entry(server: OneRosterServer, secret: str = SECRET) -> dict[str, Any]:
    login = {"clientId": "an-id", "clientSecret": secret, "version": "v1p1"}
    places = {"baseUrl": server.url, "tokenEndpoint": server.token_url}
    config = {**places, **login}
    return {"type": "ONEROSTER_API", "name": "North High", "config": config}


def piped(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, text: str, *args: str
) -> Answer:
    """`d118 providers ARGS` with a pipe."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return project.d118("providers", *args)


def written(project: ProjectFolder, provider: str) -> dict[str, Any] | None:
    """The entry in the file."""
    entries = yaml.safe_load((project.root / FILE).read_text())["providers"]
    return next((one for one in entries if one["id"] == provider), None)


def test_an_entry_in_json_is_tested_saved_changed_and_removed(
    project: ProjectFolder, server: OneRosterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (project.root / FILE).read_text()
    text = json.dumps({**entry(server), "schedule": "weekdays"})

    made = piped(project, monkeypatch, text, "add", "--from-json", "-")

    assert (made.code, made.err) == (0, ""), made.out
    assert "OK  North High: " in made.out and "d118 run north_high" in made.out
    found = written(project, "north_high")
    assert found is not None and (found["enabled"], found["schedule"]) == (
        *(True, "weekdays"),
    )
    with project.entered(**project.environment):
        stored = resolved(found["config"]["clientSecret"], needed_for="a test")
    assert stored == SECRET
    text = (project.root / FILE).read_text()
    assert text.startswith(before.rstrip()) and SECRET not in text

    changes = ("enabled=no", "pageSize=500", "demographics=true", "schedule=")
    assert project.d118("providers", "set", "north_high", *changes).code == 0
    found = written(project, "north_high")
    assert found is not None and (found["enabled"], found["schedule"]) == (False, None)
    config = found["config"]
    assert (config["pageSize"], config["demographics"]) == (500, True)

    kept = piped(project, monkeypatch, "n\n", "remove", "north_high")
    assert kept.code != 0 and "its rows in the roster stay" in kept.out
    assert written(project, "north_high") is not None
    assert project.d118("providers", "remove", "north_high", "--yes").code == 0
    assert written(project, "north_high") is None
    assert len(list((project.home / "config_history").iterdir())) == 3
    rows = project.rows(audit_log)
    assert [row.action for row in rows] == [
        *("add provider", "change provider: config, enabled, schedule"),
        "remove provider",
    ]


@pytest.mark.parametrize("more", [(), ("--anyway",)])
def test_a_provider_that_is_not_reached_is_saved_off_or_not_at_all(
    project: ProjectFolder,
    server: OneRosterServer,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    text = json.dumps(entry(server, secret="another-secret"))

    answer = piped(project, monkeypatch, text, "add", "--from-json", "-", *more)

    assert "FAILED  North High: " in answer.out
    assert "another-secret" not in answer.out + answer.err
    found = written(project, "north_high")
    if more:
        assert answer.code == 0 and found is not None and not found["enabled"]
    else:
        assert answer.code == 2 and found is None and "--anyway" in answer.err


def test_a_new_address_takes_no_secret_along(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = ("set", "oneroster_api", "baseUrl=https://sis.example/v1p2")
    before = (project.root / FILE).read_bytes()

    alone = project.d118("providers", *moved)

    assert alone.code == 2 and "clientSecret" in alone.err
    assert (project.root / FILE).read_bytes() == before
    whole = (*moved, "tokenEndpoint=", "clientSecret")
    answer = piped(project, monkeypatch, f"{SECRET}\n", *whole)
    assert (answer.code, answer.err) == (0, "")
    text = (project.root / FILE).read_text()
    assert SECRET not in text and "ONEROSTER_CLIENT_SECRET" not in text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("clientSecret=typed-secret", "Write clientSecret alone"),
        ("clientId", "clientId has no value"),
        ("clientId=${HOME}", "refers to a secret"),
        ("enabled=perhaps", "yes or no"),
        ("schedule=sometimes", "schedule"),
        ("colour=red", "colour"),
        ("pageSize=many", "pageSize"),
    ],
)
def test_what_cannot_be_set_changes_nothing(
    project: ProjectFolder, given: str, told: str
) -> None:
    answer = project.d118("providers", "set", "oneroster_api", given)

    assert answer.code == 2
    assert told in answer.err and SECRET not in answer.err
    assert "config/providers.yaml is as it was" in answer.err


@pytest.mark.parametrize(
    "text", ["", "[]", '{"type": "CSV"}', '{"type": "CSV", "name": "a", "id": "b"}']
)
def test_only_an_entry_is_read_as_one(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    answer = piped(project, monkeypatch, text, "add", "--from-json", "-")

    assert answer.code == 2 and "Nothing was saved" in answer.err


def test_a_provider_that_is_not_there_is_neither_changed_nor_removed(
    project: ProjectFolder,
) -> None:
    for words in (("set", "nobody", "name=x"), ("remove", "nobody", "--yes")):
        answer = project.d118("providers", *words)
        assert answer.code == 2 and "no provider nobody" in answer.err


@pytest.mark.parametrize(
    ("kind", "key", "text", "value"),
    [
        ("ONEROSTER_CSV", "sftp.port", "2222", 2222),
        ("ONEROSTER_CSV", "sftp.username", "2222", "2222"),
        ("ONEROSTER_API", "page_size", "5", 5),
        ("ONEROSTER_API", "endStatus", "404", 404),
        ("ONEROSTER_API", "scopes", "a, b", ["a", "b"]),
        ("CLEVER", "contacts", "true", True),
        ("CLEVER", "districtId", "true", "true"),
        ("nothing", "x.y", "5", "5"),
    ],
)
def test_a_text_becomes_what_its_key_holds(
    kind: str, key: str, text: str, value: object
) -> None:
    assert typed_value(kind, key, text) == value


@pytest.mark.long
def test_a_person_is_asked_and_the_secret_is_not_shown(
    project: ProjectFolder, server: OneRosterServer
) -> None:
    typed = [
        "oneroster_api",
        "ONEROSTER_API",
        "North High",
        server.url,
        "v1p1",
        server.token_url,
    ]
    typed += ["an-id", SECRET, "daily"]
    leader, terminal = pty.openpty()
    command = [str(Path(sys.executable).with_name("d118")), "providers", "add"]
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env=project.variables({"TERM": "dumb"}),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = ""
    for text in typed:
        shown += read_until(leader, ": ")
        os.write(leader, f"{text}\n".encode())
    shown += read_until(leader, "")  # it asks nothing more
    assert process.wait(60) == 0, shown
    os.close(leader)

    assert "OK  North High: " in shown and SECRET not in shown
    found = written(project, "north_high")
    assert found is not None and found["schedule"] == "daily"


def read_until(leader: int, end: str) -> str:
    """What the terminal shows until it asks; with no `end`, until it is closed."""
    shown = ""
    while not end or not shown.endswith(end):
        try:
            shown += os.read(leader, 1024).decode("utf-8", "replace")
        except OSError:  # the other side is closed
            break
        assert "all the same?" not in shown, shown
    return shown
