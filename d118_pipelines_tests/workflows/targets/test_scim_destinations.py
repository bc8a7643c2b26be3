"""Where users go: base URLs, the outbox, the checks of the target, both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.scim_project import (
    YAML,
    Refusing,
    ScimProject,
    serving,
    shared_scim_project,
)
from d118_pipelines_tests.support.scripted_scim import ScriptedScim, refusal

STUDENTS = 12


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> ScimProject:
    """A roster of twelve students and a teacher; begin with a copy."""
    return shared_scim_project(tmp_path_factory, STUDENTS)


@pytest.fixture
def project(synced: ScimProject, tmp_path: Path) -> ScimProject:
    return synced.copied(tmp_path / "project")


@pytest.mark.long
def test_every_base_url_has_its_own_confirmed_users(project: ScimProject) -> None:
    with serving(project, ScriptedScim()):
        project.send()
    with serving(project, ScriptedScim()) as other:
        assert project.send().number("provisioned") == STUDENTS + 1

    assert len(other.users) == STUDENTS + 1
    destinations = {row.destination for row in project.rows(db.delivery_ledger)}
    assert len(destinations) == 2


@pytest.mark.long
def test_without_a_base_url_the_requests_are_written_and_nobody_moves(
    project: ScimProject,
) -> None:
    for _ in range(2):
        done = project.send()

        assert (done.changes, done.report) == (STUDENTS + 1, None)
        lines = project.outbox("scim")["users.jsonl"].splitlines()
        assert len(lines) == STUDENTS + 1
        assert project.statuses() == {"": STUDENTS + 1}
    assert project.rows(db.delivery_ledger) == []


def test_there_is_no_set_to_send_again(project: ScimProject) -> None:
    project.send()

    answer = project.d118("resend", "scim")

    assert answer.code == 2
    assert "d118 run scim" in answer.err
    assert list(project.outbox("scim")) == ["users.jsonl"]
    assert [row.status for row in project.rows(db.deliveries)] == ["verified"]


def test_made_up_people_never_go_to_a_service(project: ScimProject) -> None:
    project.change_state(sa.update(db.plans).values(demonstration=True))

    with (
        serving(project, ScriptedScim()) as service,
        pytest.raises(ConfigurationError, match="demonstration district must not"),
    ):
        project.send()

    assert service.users == {}


def test_the_service_is_looked_at_without_a_change(project: ScimProject) -> None:
    with serving(project, ScriptedScim()) as service:
        answer = project.d118("test-connection", "scim")
        service.fault = lambda request: refusal(401)
        refused = project.d118("test-connection", "scim")

    assert answer.code == 0
    assert "$SCIM_BASE_URL supports PATCH, filters, no bulk" in answer.out
    assert service.users == {}
    assert refused.code == 1
    assert "scim.authentication" in refused.err
    assert "127.0.0.1" not in answer.out + answer.err + refused.err


@pytest.mark.real
def test_state_and_ledger_are_the_same_on_postgresql(tmp_path: Path) -> None:
    databases = new_database()
    project = ScimProject(tmp_path / "project", STUDENTS, url=next(databases))
    fault = Refusing(refusal(503), "s3")
    with serving(project, ScriptedScim(fault=fault)) as service:
        project.send()
        assert project.statuses() == {"PROVISIONED": STUDENTS, "PENDING": 1}
        fault.names.clear()
        project.read(STUDENTS - 1, renamed=1)

        done = project.send()

        assert done.changes == 3
        assert project.send().changes == 0
    wanted = {"PROVISIONED": STUDENTS - 1, "UPDATED": 1, "DELETED": 1}
    assert project.statuses() == wanted
    assert len(service.users) == STUDENTS + 1
    assert sorted(project.entries().values())[-1] == "deactivated"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("ledger: {keep: files}", "ledger: {keep: records}", "keep must be files"),
        ("protocol: scim", "protocol: ftp", "unknown key"),
        ("  scim.failed: {", "  scim.other: {", "scim.failed must be declared"),
        ("      - title: title", "      - titel: title", "scim.columns"),
    ],
)
def test_a_target_that_cannot_provision_is_refused(
    project: ScimProject, old: str, new: str, complaint: str
) -> None:
    project.edit(YAML, old, new)

    with (
        serving(project, ScriptedScim()) as service,
        pytest.raises(ConfigurationError, match=complaint),
    ):
        project.send()

    assert service.users == {}


def test_the_target_has_one_name(project: ScimProject) -> None:
    (project.root / YAML).rename(project.root / "mappings/targets/idp.yaml")

    with pytest.raises(ConfigurationError, match="is named scim"):
        project.target("idp")
