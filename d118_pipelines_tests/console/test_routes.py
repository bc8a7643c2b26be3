"""Every call of the two older services' documents, with host, key and ids replaced."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from d118_pipelines.console.app import ROUTERS
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.store.runs import Actor, close_run, open_run
from d118_pipelines.state.leases import lease
from d118_pipelines.state.outbox import urls_of_run
from d118_pipelines_tests.support.console import (
    ADMIN,
    RUN_ID,
    VIEWER,
    RunningConsole,
)

DISTRICT = "district_118"
CLEVER = {
    "tenantId": DISTRICT,
    "providerType": "CLEVER",
    "name": "Clever Integration",
    "config": {"clientId": "an-id", "clientSecret": "a-secret", "districtId": "d-1"},
    "syncSchedule": "0 2 * * *",
}
ONEROSTER = {
    "base_url": "https://api.school.edu/ims/oneroster/v1p2",
    "client_id": "your-client-id",
    "client_secret": "your-client-secret",
}
COUNTS = {"fetched": 5, "created": 3, "updated": 1, "deactivated": 1, "errors": 1}


def make_run(
    console: RunningConsole, run_id: str, *, minutes: int = 1, status: str = "SUCCESS"
) -> None:
    """A finished sync of powerschool in the state database."""
    now = utc_now() - dt.timedelta(minutes=minutes)
    with console.world.database.transaction() as connection:
        one = {"provider": "powerschool", "run_id": run_id, "now": now}
        open_run(connection, district=DISTRICT, actor=Actor("tester"), **one)
        stats = {"users": COUNTS, "users/student": COUNTS, "schools": COUNTS}
        close_run(connection, **one, status=status, stats=stats)


def test_providers_are_listed_for_the_tenant_alone(console: RunningConsole) -> None:
    program = console.program("read")

    answer = program.get(f"/api/v1/tenants/{DISTRICT}/providers")

    first = answer.json()[0]
    assert (first["id"], first["tenantId"]) == ("powerschool", DISTRICT)
    assert first["syncSchedule"] == "0 2 * * *"
    assert "config" not in first
    assert program.get("/api/v1/tenants/another/providers").status_code == 404
    assert program.get("/api/v1/providers").json() == answer.json()


def test_a_provider_is_created_changed_and_deleted(own_console: RunningConsole) -> None:
    program = own_console.program()

    made = program.post("/api/v1/providers", json=CLEVER)

    assert (made.status_code, made.json()["id"]) == (201, "clever_integration")
    place = made.headers["location"]
    assert place == "/api/v1/providers/clever_integration"
    change = {"enabled": True, "syncSchedule": "0 6 * * 1-5"}
    changed = program.patch(place, json=change).json()
    assert (changed["syncSchedule"], changed["enabled"]) == ("0 6 * * 1-5", True)
    put = program.put(f"{place}/schedule", json={"syncSchedule": "hourly"}).json()
    assert put["syncSchedule"] == "0 * * * *"
    assert program.delete(place).status_code == 204
    assert program.get(place).status_code == 404
    actions = [action for _, action, subject in own_console.audited()]
    assert actions[-4:] == [
        *("add provider", "change provider: enabled, schedule"),
        *("change provider: schedule", "remove provider"),
    ]


def test_secrets_of_a_provider_come_out_nowhere(own_console: RunningConsole) -> None:
    program = own_console.program()

    answers = [
        program.post("/api/v1/providers", json=CLEVER).text,
        program.get("/api/v1/providers").text,
        own_console.person(ADMIN).get("/integrations/sis/clever_integration").text,
    ]

    file = own_console.project.root / "config/providers.yaml"
    assert not any("a-secret" in text or "fernet:" in text for text in answers)
    assert "a-secret" not in file.read_text() and "fernet:" in file.read_text()


def test_a_sync_starts_at_once_and_is_told_where_to_look(
    console: RunningConsole,
) -> None:
    program = console.program()
    console.dagster.asked.clear()

    answer = program.post("/api/v1/providers/powerschool/sync")

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/runs/{RUN_ID}"
    assert answer.json()["message"] == "Sync started"
    assert console.dagster.launched() == ["sync_powerschool"]
    assert console.audited()[-1] == (f"console/{ADMIN}", "launch", "powerschool")


def test_a_disabled_provider_is_not_started(console: RunningConsole) -> None:
    answer = console.program().post("/api/v1/providers/clever/sync")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["title"] == "Provider disabled"
    assert problem["next_step"].startswith("Set enabled: true")


def test_status_history_and_one_run_have_the_promised_fields(
    own_console: RunningConsole,
) -> None:
    program = own_console.program("read")
    before = program.get("/api/v1/providers/powerschool/sync/status").json()
    for number in range(5):
        make_run(own_console, f"run-{number}", minutes=9 - number)

    status = program.get("/api/v1/providers/powerschool/sync/status").json()
    path = "/api/v1/providers/powerschool/runs?limit=2&offset=0"
    page = program.get(path).json()
    rest = program.get("/api/v1/providers/powerschool/runs?limit=20&offset=2").json()
    one = program.get("/api/v1/runs/run-4").json()

    assert (before["isRunning"], before["lastSync"], before["lastStatus"]) == (
        *(False, None, None),
    )
    assert (status["isRunning"], status["lastStatus"]) == (False, "SUCCESS")
    assert dt.datetime.fromisoformat(status["lastSync"]).tzinfo is not None
    assert [run["id"] for run in page["runs"]] == ["run-4", "run-3"]
    assert [run["id"] for run in rest["runs"]] == ["run-2", "run-1", "run-0"]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 0)
    assert one["stats"]["schools"]["created"] == 3
    assert (one["status"], one["isManual"]) == ("SUCCESS", True)
    assert program.get("/api/v1/runs/another").status_code == 404


def begin_sync(console: RunningConsole, *, run_id: str) -> None:
    """Open a sync of powerschool, as its first step does."""
    with console.world.database.transaction() as connection:
        open_run(
            connection,
            district=DISTRICT,
            provider="powerschool",
            run_id=run_id,
            now=utc_now(),
            actor=Actor("tester"),
        )


def test_only_a_running_sync_can_be_cancelled(own_console: RunningConsole) -> None:
    program = own_console.program()
    path = "/api/v1/providers/powerschool/sync/cancel"
    assert program.post(path).status_code == 409

    begin_sync(own_console, run_id="at-work")
    answer = program.post(path)

    assert (answer.status_code, answer.json()["runId"]) == (202, "at-work")
    assert own_console.audited()[-1] == (f"console/{ADMIN}", "cancel", "at-work")


def test_a_connection_is_tested_without_a_word_of_its_secret(
    own_console: RunningConsole,
) -> None:
    body = {"connector_type": "oneroster", "name": "Test Config", "config": ONEROSTER}

    answer = own_console.program().post("/connectors/test", json=body)

    assert answer.status_code == 200
    assert answer.json()["success"] is False  # nobody has that name
    assert "your-client-secret" not in answer.text
    file = own_console.project.root / "config/providers.yaml"
    assert "api.school.edu" not in file.read_text()


def test_a_providers_own_connection_is_tested(console: RunningConsole) -> None:
    answer = console.program().post("/api/v1/providers/powerschool/test")

    assert answer.status_code == 200
    assert answer.json()["success"] is True


def test_a_job_runs_the_provider_of_that_type_and_address(
    own_console: RunningConsole,
) -> None:
    program = own_console.program()
    config = {"baseUrl": ONEROSTER["base_url"], "clientId": "a", "clientSecret": "b"}
    entry = {**CLEVER, "providerType": "ONEROSTER_API", "config": config}
    assert program.post("/api/v1/providers", json=entry).status_code == 201
    job = {
        "job_name": "Daily Roster Sync",
        "connector_type": "oneroster",
        "connector_config": {**ONEROSTER, "sync_users": True, "sync_schools": True},
        "district_id": DISTRICT,
        "webhook_url": "https://api.school.edu/webhook/roster-sync",
    }
    evil = {**job, "webhook_url": "https://169.254.169.254/webhook"}
    assert program.post("/jobs/sync", json=evil).status_code == 422

    answer = program.post("/jobs/sync", json=job)

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{RUN_ID}/status"
    assert answer.json()["status"] == "pending"
    assert "neither used nor stored" in answer.json()["notes"][0]
    assert own_console.dagster.launched() == ["sync_clever_integration"]
    file = own_console.project.root / "config/providers.yaml"
    assert "your-client" not in file.read_text()
    with own_console.world.database.reading() as connection:
        assert urls_of_run(connection, RUN_ID) == [job["webhook_url"]]


@pytest.mark.parametrize(
    "change",
    [
        {"connector_type": "csv"},
        {"connector_config": {"base_url": "https://no.example"}},
    ],
)
def test_a_job_of_no_configured_provider_is_refused(
    console: RunningConsole, change: dict[str, Any]
) -> None:
    job = {"connector_type": "oneroster", "connector_config": ONEROSTER, **change}

    answer = console.program().post("/jobs/sync", json=job)

    assert answer.status_code == 422
    assert "a configured provider" in answer.json()["rule"]


def test_jobs_tell_their_numbers_and_end(own_console: RunningConsole) -> None:
    program = own_console.program()
    make_run(own_console, "job-1")
    make_run(own_console, "job-2", status="HELD")

    jobs = program.get("/jobs?limit=50&offset=0").json()
    done = program.get("/jobs/job-1/status").json()
    held = program.get("/jobs/job-2/status").json()

    assert [job["job_id"] for job in jobs["jobs"]] == ["job-2", "job-1"]
    assert done["status"] == "completed"
    assert (done["progress_percent"], done["current_step"]) == (100, "Done")
    totals = [done[f"total_{n}"] for n in ("processed", "created", "updated", "failed")]
    assert totals == [10, 6, 2, 2]
    assert (held["status"], held["error"]) == ("failed", "held for review")
    assert program.delete("/jobs/job-1").status_code == 409
    assert program.get("/jobs/job-9/status").status_code == 404


def test_a_running_job_can_be_cancelled(own_console: RunningConsole) -> None:
    begin_sync(own_console, run_id="at-work")
    program = own_console.program()

    with lease(own_console.world.database, "powerschool", "at-work"):
        answer = program.delete("/jobs/at-work")

    assert answer.status_code == 202


def test_scim_users_are_counted_for_the_district(console: RunningConsole) -> None:
    program = console.program("read")

    found = program.get(f"/scim/status/{DISTRICT}").json()

    assert found["district_id"] == DISTRICT
    assert (found["total_users"], found["last_sync"]) == (0, None)
    assert program.get("/scim/status/another").status_code == 404


def test_monitoring_finds_its_fields(console: RunningConsole) -> None:
    program = console.program("read")

    health, ready = program.get("/health"), program.get("/ready")
    overview = program.get("/stats/overview").json()
    connectors = program.get("/stats/connectors").json()
    workers = program.get("/celery/status").json()

    assert health.json()["service"] == "roster-sync-service"
    expected = 200 if health.json()["status"] == "healthy" else 503
    assert (health.status_code, ready.status_code) == (expected, expected)
    assert (overview["total_jobs"], overview["last_sync"]) == (0, None)
    assert {"oneroster", "clever", "csv"} <= set(connectors)
    assert set(connectors["csv"]) == {"jobs", "records", "success_rate"}
    assert {"workers", "worker_stats", "active_tasks", "error"} <= set(workers)


def test_a_viewer_gets_403_from_every_writing_route_and_sees_no_button(
    console: RunningConsole,
) -> None:
    viewer = console.person(VIEWER)
    tried = 0
    for route in (r for router in ROUTERS for r in router.routes):
        assert isinstance(route, APIRoute)
        for method in route.methods - {"GET", "HEAD"}:
            path = route.path.format_map(Ids())
            if path in ("/sign-in", "/sign-out"):
                continue
            headers = {"x-csrf-token": viewer.form_token()}
            answer = viewer.request(method, path, headers=headers)
            assert answer.status_code == 403, (method, path)
            tried += 1
    assert tried >= 20

    pages = ("/", "/integrations/sis", "/integrations/sis/powerschool", "/runs")
    pages = (*pages, "/findings", "/deliveries")
    for path in (*pages, "/feeds/hr_records"):
        buttons = viewer.get(path).text.count("<button")
        assert buttons == 1, path  # to sign out
    assert viewer.get("/person").status_code == 403
    assert viewer.get("/register").status_code == 403
    assert viewer.get("/register/csv").status_code == 403
    assert viewer.get("/integrations/sis/add").status_code == 403


class Ids(dict[str, str]):
    """Some id for every place in a path."""

    def __missing__(self, key: str) -> str:
        return "powerschool"


def test_the_pages_of_the_interface_run_the_consoles_own_files_alone(
    console: RunningConsole,
) -> None:
    person = console.person(VIEWER)

    for path in ("/docs", "/redoc"):
        answer = person.get(path)
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy and "connect-src 'self';" in policy
        files = re.findall(r'(?:src|href)="(/static[^"]+)"', answer.text)
        sheets = answer.text.count('<link rel="stylesheet"')
        assert len(files) == answer.text.count("<script") + sheets
        for name in files:
            file = person.get(name)
            assert file.status_code == 200 and b"cdn.redoc" not in file.content
            assert console.person().get(name).status_code == 401
    policy = person.get("/").headers["content-security-policy"]
    assert "script-src" not in policy
    assert person.get("/static/api/favicon.png").status_code == 404


def test_the_icon_that_browsers_ask_for_is_there_before_sign_in(
    console: RunningConsole,
) -> None:
    answer = console.person().get("/favicon.ico")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("image/svg")
