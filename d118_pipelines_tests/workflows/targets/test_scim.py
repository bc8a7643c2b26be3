"""The roster's users at a SCIM service: the whole way, against the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.delivery.scim.resource import ENTERPRISE
from d118_pipelines.errors import ConnectionLostError, HeldError
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.examples import some
from d118_pipelines_tests.support.scim_project import (
    YAML,
    ScimProject,
    shared_scim_project,
)
from d118_pipelines_tests.support.scim_server import ScimServer

pytestmark = pytest.mark.real
SOME, THOUSAND = 299, 999
"""Students; with their teacher a round number of users."""
BULK, PATCH = ("bulk", "patch"), ("patch",)


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> ScimProject:
    """A roster of 300 users; begin with a copy."""
    return shared_scim_project(tmp_path_factory, SOME)


@pytest.fixture
def project(synced: ScimProject, tmp_path: Path) -> ScimProject:
    return synced.copied(tmp_path / "project")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "users.jsonl"


def is_consistent(project: ScimProject, server: ScimServer) -> bool:
    """Whether both sides have the same users under the same ids, each once."""
    there = {user["externalId"]: user["id"] for user in server.users()}
    assert len(there) == len(server.users()), "a user stands twice"
    return there == project.scim_ids()


@pytest.mark.long
@pytest.mark.parametrize("students", some([SOME, THOUSAND], SOME))
def test_users_are_created_changed_deactivated_and_reactivated(
    tmp_path: Path, store: Path, students: int
) -> None:
    project = ScimProject(tmp_path / "project", students)
    everybody = students + 1
    with ScimServer(store) as server:
        project.serve_by(server.url)
        first = project.send()
        assert first.number("provisioned") == everybody
        assert project.statuses() == {"PROVISIONED": everybody}
        assert is_consistent(project, server)
        alex = next(u for u in server.users() if u["userName"] == "adoe")
        assert alex["userType"] == "teacher"
        assert alex[ENTERPRISE]["organization"] == "Example District 100"

        assert project.send().changes == 0
        assert server.writes() == {"create": everybody}

        project.read(students - 10, renamed=10)
        second = project.send()
        assert second.number("updated") == 10
        assert second.number("deleted") == 10
        assert server.writes() == {"create": everybody, "update": 20}
        assert project.statuses() == {
            "PROVISIONED": everybody - 20,
            "UPDATED": 10,
            "DELETED": 10,
        }
        assert sum(not user["active"] for user in server.users()) == 10

        project.read(students, renamed=10)
        third = project.send()
        assert (third.changes, third.number("updated")) == (10, 10)
        assert all(user["active"] for user in server.users())
        assert is_consistent(project, server)
        assert project.send().changes == 0
    assert set(project.entries().values()) == {"active"}
    assert third.users["total"] == third.users["provisioned"] == everybody


@pytest.mark.parametrize("supports", some([BULK, PATCH], BULK))
def test_a_server_killed_in_the_middle_converges_after_its_restart(
    project: ScimProject, store: Path, supports: tuple[str, ...]
) -> None:
    with ScimServer(store, supports=supports, die_after=130) as server:
        project.serve_by(server.url)
        project.edit(YAML, "concurrency: 8 ", "concurrency: 4 ")
        with pytest.raises(ConnectionLostError):
            project.send()
        assert len(server.users()) == 130
        found = project.statuses()
        assert 100 <= found["PROVISIONED"] < 130
        assert found["PENDING"] == 300 - found["PROVISIONED"]

        server.restart()
        again = project.send()

        assert again.changes == found["PENDING"]
        assert project.statuses() == {"PROVISIONED": 300}
        assert server.writes()["create"] == 300
        assert is_consistent(project, server)
        assert project.send().changes == 0
    rows = project.rows(db.deliveries)
    assert [row.status for row in rows] == ["failed", "verified", "verified"]
    assert "scim.unreachable" in rows[0].error


@pytest.mark.long
def test_a_run_killed_in_the_middle_converges_with_the_next_one(
    project: ScimProject, store: Path
) -> None:
    with ScimServer(store) as server:
        project.serve_by(server.url)
        # The start looks at the clock three times, then every batch of a hundred.
        project.send_and_die(at=3 + 2)
        assert len(server.users()) == 200
        assert project.statuses() == {"PROVISIONED": 100, "PENDING": 200}
        assert len(project.entries()) == 100

        again = project.send()

        assert again.changes == 200
        # Only the batch without an answer is looked for, the rest goes in bulk.
        assert again.report is not None
        assert again.report.requests < 2 + 2 * 100 + 10
        assert server.writes()["create"] == 300
        assert is_consistent(project, server)
        assert project.statuses() == {"PROVISIONED": 300}
    statuses = [row.status for row in project.rows(db.deliveries)]
    assert statuses == ["interrupted", "verified"]


@pytest.mark.long
def test_many_deactivations_wait_for_an_approval(
    project: ScimProject, store: Path
) -> None:
    with ScimServer(store) as server:
        project.serve_by(server.url)
        project.send()
        project.edit(YAML, "max_drop_percent: 10 ", "max_drop_percent: 5 ")
        project.read(SOME - 20)

        with pytest.raises(HeldError, match="drop_within_limit"):
            project.send()
        assert server.writes() == {"create": 300}
        assert project.statuses() == {"PROVISIONED": 300}

        project.approve("scim")
        assert project.send().number("deleted") == 20
        assert sum(not user["active"] for user in server.users()) == 20
        assert project.send().changes == 0
