"""What becomes of single users: refusals, returns, other destinations, nobody to ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import DestinationError
from d118_pipelines.roster.model.tables import ENTITY_TABLES
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.scim_project import (
    YAML,
    Refusing,
    ScimProject,
    serving,
    shared_scim_project,
)
from d118_pipelines_tests.support.scripted_http import Reply, Request
from d118_pipelines_tests.support.scripted_scim import ScriptedScim, refusal

STUDENTS = 12
users = ENTITY_TABLES["users"]


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> ScimProject:
    """A roster of twelve students and a teacher; begin with a copy."""
    return shared_scim_project(tmp_path_factory, STUDENTS)


@pytest.fixture
def project(synced: ScimProject, tmp_path: Path) -> ScimProject:
    return synced.copied(tmp_path / "project")


def state(project: ScimProject, name: str) -> tuple[str | None, str | None, bool]:
    """Status, error and whether there is an id, of the user of that name."""
    [user] = [user for user in project.rows(users) if user.username == name]
    return user.scim_status, user.scim_error, user.scim_id is not None


def there(service: ScriptedScim, name: str) -> dict[str, object]:
    [user] = [u for u in service.users.values() if u.get("userName") == name]
    return user


def findings(project: ScimProject) -> list[tuple[str, str]]:
    return [(row.code, row.detail) for row in project.rows(db.findings)]


@pytest.mark.long
def test_a_refused_user_fails_alone_and_is_tried_again(project: ScimProject) -> None:
    fault = Refusing(refusal(400, "invalidValue"), "s3")
    with serving(project, ScriptedScim(fault=fault)) as service:
        first = project.send()
        assert first.number("failed") == 1
        assert first.number("provisioned") == STUDENTS
        assert state(project, "s3") == ("FAILED", "HTTP 400 invalidValue", False)
        assert ("scim.failed", "HTTP 400 invalidValue") in findings(project)
        assert first.users["failed"] == 1
        assert first.users["total"] == STUDENTS + 1

        assert project.send().changes == 1
        fault.names.clear()
        assert project.send().number("provisioned") == 1

    assert state(project, "s3") == ("PROVISIONED", None, True)
    assert len(service.users) == STUDENTS + 1


@pytest.mark.long
def test_a_user_who_is_put_off_stays_pending_and_is_sent_again(
    project: ScimProject,
) -> None:
    fault = Refusing(refusal(503), "s3")
    with serving(project, ScriptedScim(fault=fault)):
        project.send()
        assert state(project, "s3") == ("PENDING", "HTTP 503", False)

        fault.names.clear()
        assert project.send().changes == 1
    assert state(project, "s3") == ("PROVISIONED", None, True)


def test_a_service_that_refuses_everybody_fails_the_run(project: ScimProject) -> None:
    def refuse(request: Request) -> Reply | None:
        return refusal(403) if request.method == "POST" else None

    with (
        serving(project, ScriptedScim(fault=refuse)),
        pytest.raises(DestinationError, match=r"scim\.all_failed.*13 users.*HTTP 403"),
    ):
        project.send()

    assert project.statuses() == {"FAILED": STUDENTS + 1}
    [delivery] = project.rows(db.deliveries)
    assert delivery.status == "failed"
    assert len(findings(project)) == STUDENTS + 1


@pytest.mark.long
def test_a_single_refused_change_does_not_fail_a_run(project: ScimProject) -> None:
    fault = Refusing(refusal(400), "s12")
    with serving(project, ScriptedScim(fault=fault)):
        project.send()
        project.read(STUDENTS + 1)

        assert project.send().number("failed") == 1


@pytest.mark.long
def test_an_attribute_without_a_value_is_removed(project: ScimProject) -> None:
    with serving(project, ScriptedScim()) as service:
        project.change_state(
            users.update().where(users.c.username == "s3").values(title="Aide")
        )
        project.send()
        assert there(service, "s3")["title"] == "Aide"

        project.change_state(
            users.update().where(users.c.username == "s3").values(title=None)
        )
        project.send()

        assert "title" not in there(service, "s3")
        assert state(project, "s3")[0] == "UPDATED"


@pytest.mark.long
def test_a_user_who_vanished_at_the_provider_is_created_anew(
    project: ScimProject,
) -> None:
    with serving(project, ScriptedScim()) as service:
        project.send()
        former = there(service, "s0")
        del service.users[str(former["id"])]
        project.read(STUDENTS, renamed=1)

        assert project.send().number("provisioned") == 1

        assert there(service, "s0")["id"] != former["id"]
        assert project.send().changes == 0
    assert len(project.entries()) == STUDENTS + 1


@pytest.mark.long
@pytest.mark.parametrize("how", ["patch", "delete"])
def test_who_is_switched_off_is_deactivated_and_comes_back(
    project: ScimProject, how: str
) -> None:
    project.edit(YAML, "deactivate: patch ", f"deactivate: {how} ")
    off = {"status": "inactive", "inactive_reason": "disabled"}
    mine = users.c.username == "s3"
    with serving(project, ScriptedScim()) as service:
        project.send()
        project.change_state(users.update().where(mine).values(off))
        assert project.send().number("deleted") == 1
        assert state(project, "s3") == ("DELETED", None, how == "patch")
        assert len(service.users) == STUDENTS + (how == "patch")
        assert project.send().changes == 0

        on = {"status": "active", "inactive_reason": None}
        project.change_state(users.update().where(mine).values(on))
        project.send()

        assert there(service, "s3")["active"] is True
        assert len(service.users) == STUDENTS + 1
    back = "UPDATED" if how == "patch" else "PROVISIONED"
    assert state(project, "s3") == (back, None, True)


def test_roles_out_of_scope_get_no_account(project: ScimProject) -> None:
    project.edit(YAML, "[student, teacher, ", "[student, ")
    with serving(project, ScriptedScim()) as service:
        project.send()

    assert {user["userType"] for user in service.users.values()} == {"student"}
    assert state(project, "adoe") == (None, None, False)


@pytest.mark.long
def test_who_leaves_after_an_attempt_without_answer_is_deactivated(
    project: ScimProject,
) -> None:
    fault = Refusing(refusal(503), "s11")
    service = ScriptedScim(fault=fault)
    with serving(project, service):
        project.send()
        # The service has created the user all the same.
        [internal] = [u.id for u in project.rows(users) if u.username == "s11"]
        service.add(userName="s11", externalId=internal, active=True)
        fault.names.clear()
        project.read(STUDENTS - 1)

        project.send()

        assert there(service, "s11")["active"] is False
    assert state(project, "s11") == ("DELETED", None, True)


@pytest.mark.long
def test_a_change_without_answer_that_was_taken_back_is_sent_again(
    project: ScimProject,
) -> None:
    fault = Refusing(refusal(503))
    service = ScriptedScim(fault=fault, supports=("filter",))
    with serving(project, service):
        project.send()
        fault.names.add("s0")
        project.read(STUDENTS, renamed=1)
        project.send()
        there(service, "s0")["name"] = {"familyName": "Renamed0"}
        fault.names.clear()
        project.read(STUDENTS)

        assert project.send().changes == 1

        assert there(service, "s0")["name"]["familyName"] == "Family0"  # type: ignore[index]
    assert state(project, "s0") == ("UPDATED", None, True)


def test_users_without_a_name_of_their_own_are_reported(project: ScimProject) -> None:
    nameless = users.c.username == "s3"
    project.change_state(users.update().where(nameless).values(username="", email=""))
    double = users.c.username == "s4"
    project.change_state(users.update().where(double).values(username="S5"))
    with serving(project, ScriptedScim()) as service:
        project.send()

    codes = sorted(code for code, _ in findings(project))
    assert codes == ["duplicate_user_name", "duplicate_user_name", "no_user_name"]
    assert there(service, "S-3")["active"] is True


@pytest.mark.long
def test_counts_are_told_by_status(project: ScimProject) -> None:
    with serving(project, ScriptedScim(fault=Refusing(refusal(400), "s3"))):
        project.send()
        project.read(STUDENTS - 1)
        project.send()

    asked = ("status", "--scim", "--district", "district_118")
    counts = project.d118(*asked, "--json").json()

    last = counts.pop("last_sync")
    assert counts == {
        "district_id": "district_118",
        "total_users": STUDENTS,
        "provisioned": STUDENTS - 1,
        "pending": 0,
        "failed": 1,
        "deleted": 1,
    }
    assert last
    assert "provisioned" in project.d118("status", "--scim").out
    assert project.d118("status", "--scim", "--district", "other").code == 2
