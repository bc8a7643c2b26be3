"""The job `scim` in Dagster: its assets, their metadata, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from d118_pipelines_tests.support.in_process import (
    execute,
    failed_checks,
    failures,
    made,
    metadata,
)
from d118_pipelines_tests.support.scim_project import (
    YAML,
    ScimProject,
    shared_scim_project,
)
from d118_pipelines_tests.support.scripted_http import Reply, Request
from d118_pipelines_tests.support.scripted_scim import ScriptedScim, refusal

EXPORT, USERS = "exports/scim/users", "scim/district_118/users"
STUDENTS = 12


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> ScimProject:
    """A roster of twelve students and a teacher; begin with a copy."""
    return shared_scim_project(tmp_path_factory, STUDENTS)


@pytest.fixture
def project(synced: ScimProject, tmp_path: Path) -> ScimProject:
    return synced.copied(tmp_path / "project")


def numbers(shown: object) -> dict[str, object]:
    return {name: entry.value for name, entry in dict(shown).items()}  # type: ignore[call-overload]


@pytest.mark.long
def test_the_users_page_has_the_counts_as_numbers(project: ScimProject) -> None:
    def fault(request: Request) -> Reply | None:
        body = json.loads(request.body) if request.body else {}
        return refusal(400) if body.get("userName") == "s3" else None

    with ScriptedScim(fault=fault).server() as server:
        project.serve_by(server.url)
        result = execute(project, "scim")

    assert result.success
    assert made(result) == {EXPORT, USERS}
    shown = numbers(metadata(result, USERS))
    wanted = {
        "changes": STUDENTS + 1,
        "total": STUDENTS + 1,
        "provisioned": STUDENTS,
        "pending": 0,
        "failed": 1,
        "deleted": 0,
        "sent_provisioned": STUDENTS,
        "sent_failed": 1,
        "destination": "$SCIM_BASE_URL",
        "way": "concurrent",
    }
    assert {name: shown[name] for name in wanted} == wanted
    assert isinstance(shown["last_sync"], float)
    assert "s3" not in json.dumps(shown)
    checks = {c.check_name: c for c in result.get_asset_check_evaluations()}
    check = checks["records_taken_over"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(check.description).startswith("1 of 13 records failed (7.7%).")


@pytest.mark.long
def test_a_held_plan_stops_before_the_service_is_asked(project: ScimProject) -> None:
    service = ScriptedScim()
    with service.server() as server:
        project.serve_by(server.url)
        assert execute(project, "scim").success
        project.edit(YAML, "max_drop_percent: 10 ", "max_drop_percent: 1 ")
        project.read(STUDENTS - 2)
        server.requests.clear()

        held = project.d118("run", "scim")

        assert held.code == 3
        assert "drop_within_limit" in held.err
        assert server.requests == []
        result = execute(project, "scim")
        assert "drop_within_limit" in failed_checks(result)
        assert USERS not in made(result)

        project.approve("scim")
        assert project.d118("run", "scim").code == 0
    assert sum(not user["active"] for user in service.users.values()) == 2


@pytest.mark.long
def test_a_refused_token_fails_the_run_and_is_not_shown(project: ScimProject) -> None:
    def fault(request: Request) -> Reply | None:
        return refusal(401)

    with ScriptedScim(fault=fault).server() as server:
        project.serve_by(server.url)
        result = execute(project, "scim")

    [failure] = failures(result).values()
    assert "scim.authentication" in (failure.description or "")
    assert "canary" not in repr(result.all_events)


@pytest.mark.long
def test_without_a_base_url_everything_ends_in_the_outbox(project: ScimProject) -> None:
    result = execute(project, "scim")

    assert result.success
    assert numbers(metadata(result, USERS))["total"] == 0
    assert list(project.outbox("scim")) == ["users.jsonl"]
    assert "sent to" in project.d118("run", "scim").out
