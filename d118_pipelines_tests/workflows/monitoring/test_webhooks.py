"""Webhooks of runs: entered with what happened, sent in order, again, and by nobody's delay."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from d118_pipelines.config.hearing import EVENTS, FINAL, STARTED, Hearing, Webhook
from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.sensors import send_webhook_notification
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.webhooks import send_due
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines.workflows.runs.run_events import RunEvent, tell_event
from d118_pipelines_tests.conftest import HALF, PEOPLE
from d118_pipelines_tests.faults.test_canaries import running_daemon, wait_until
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.in_process import execute
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.sshd import FOLDER, Sshd
from d118_pipelines_tests.support.webhook_receiver import (
    SECRET,
    Receiver,
    running_receiver,
)

WITHOUT_PROGRESS = (STARTED, *FINAL)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with running_receiver(tmp_path) as running:
        yield running


def told_to(
    project: ProjectFolder, *urls: str, events: tuple[str, ...] = WITHOUT_PROGRESS
) -> None:
    """Configure receivers for the whole district."""
    project.environment["ROSTER_SECRET"] = SECRET
    path = project.root / "config/district.yaml"
    entries = [
        {"url": url, "secret": "${ROSTER_SECRET}", "events": list(events)}
        for url in urls
    ]
    more = f"webhooks: {json.dumps(entries)}\nwebhook_private_hosts: ['127.0.0.1']\n"
    path.write_text(f"{path.read_text()}\n{more}", encoding="utf-8")


def sent(project: ProjectFolder, **later: float) -> Counter[str]:
    """Send what is due, as the sensor does, now or later."""
    with project.entered():
        return send_due(project.project, lambda: utc_now() + dt.timedelta(**later))


def entered(project: ProjectFolder, *events: RunEvent, **hearing: Any) -> None:
    with project.entered(), state_database(project.project).transaction() as connection:
        for event in events:
            tell_event(connection, project.project, Hearing(**hearing), event)


def states(project: ProjectFolder) -> list[tuple[str, str, int]]:
    rows = project.rows(db.webhook_outbox)
    return [(row.event, row.state, row.attempts) for row in rows]


@pytest.fixture
def empty(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project", PEOPLE)


BEGUN = RunEvent("hr_records", "run-1", "IN_PROGRESS", is_target=True)
DONE = RunEvent("hr_records", "run-1", "SUCCESS", is_target=True)


def test_a_delivery_is_told_and_verified_by_an_independent_library(
    project: ProjectFolder, receiver: Receiver
) -> None:
    told_to(project, receiver.url())

    delivered = project.deliver("hr_records")
    assert sent(project) == {"delivered": 1}

    [got] = receiver.got()
    body = json.loads(got["body"])
    assert got["verified"]
    assert got["headers"]["User-Agent"] == "Roster-Sync-Service/1.0"
    assert list(body) == sorted(body)
    assert body["event"] == "run.succeeded"
    assert body["target_id"] == "hr_records"
    assert body["stats"]["StaffData.txt"]["rows"] == delivered.files[0]["rows"]
    assert (body["status"], body["progress_percent"], body["attempt"]) == (
        "SUCCESS",
        100,
        1,
    )
    assert sent(project) == {}


def test_a_hold_is_told_with_its_rule_and_nothing_of_a_person(
    project: ProjectFolder, receiver: Receiver
) -> None:
    told_to(project, receiver.url())
    project.set_people(HALF)

    project.export("hr_records")
    sent(project)

    [got] = receiver.got()
    assert json.loads(got["body"])["event"] == "run.held"
    assert "guard.drop_within_limit" in got["body"]
    for value in (SECRET, "@d118.example", *(p.last_name for p in PEOPLE)):
        assert value not in got["body"]


def test_what_failed_is_told_by_the_sensor_that_sends(
    project: ProjectFolder, receiver: Receiver
) -> None:
    told_to(project, receiver.url())
    project.set_people([Person(4000, email_addr=None)])
    with dg.DagsterInstance.ephemeral() as instance:
        since = utc_now().isoformat()
        result = execute(project, "hr_records", instance=instance)
        assert not result.success

        with project.entered():
            context = dg.build_sensor_context(
                instance, cursor=since, resources={"project": project.project}
            )
            send_webhook_notification(context)
            send_webhook_notification(context)

    assert receiver.events() == ["run.started", "run.failed"]
    [_, failed] = receiver.got()
    assert json.loads(failed["body"])["run_id"] == result.run_id
    assert "extract.zero_rows" in json.loads(failed["body"])["error_message"]


def test_a_receiver_gets_what_it_asked_for_in_the_order_of_the_events(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty, receiver.url(), events=("run.started", "run.succeeded"))
    progress = RunEvent(
        "hr_records", "run-1", "IN_PROGRESS", percent=60, step="Staging"
    )

    entered(empty, BEGUN, progress, DONE, RunEvent("hr_records", "run-1", "FAILURE"))
    sent(empty)

    assert receiver.events() == ["run.started", "run.succeeded"], "one end of a run"


def test_progress_is_told_by_the_run_once_for_each_step_and_not_behind_its_end(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty, receiver.url(), events=EVENTS)
    with empty.entered():
        run = Run(empty.project, "run-1", Actor("a"))
        with run.leases:
            run.hold("hr_records")
            for percent, rows in ((15, 10), (15, 20), (60, 30)):
                run.note("hr_records", percent, "Reading", rows)
            entered(empty, DONE)
            run.note("hr_records", 100, "Done")

    assert sent(empty) == {"delivered": 4}
    bodies = [json.loads(one["body"]) for one in receiver.got()]
    assert [(b["event"], b["progress_percent"]) for b in bodies] == [
        ("run.started", None),
        ("run.progress", 15),
        ("run.progress", 60),
        ("run.succeeded", 100),
    ]
    assert bodies[1]["current_step"] == "Reading"


def test_progress_that_cannot_be_noted_fails_no_run(empty: ProjectFolder) -> None:
    warned: list[str] = []
    with empty.entered():
        run = Run(empty.project, "run-1", Actor("a"), warn=warned.append)
        with run.leases:
            run.hold("hr_records")
            with run.database.transaction() as connection:
                connection.execute(sa.text("DROP TABLE sync_progress"))
            run.note("hr_records", 15, "Reading")

    assert any("Noting the progress failed" in text for text in warned)


def test_a_failed_attempt_keeps_the_order_and_comes_again_later(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty, receiver.url("/once"), receiver.url("/ok"))
    entered(empty, BEGUN, DONE)

    assert sent(empty) == {"failed": 1, "delivered": 2}
    assert sent(empty, seconds=5) == {}, "not before its time"
    assert sent(empty, seconds=12) == {"delivered": 2}

    once = [one for one in receiver.got() if one["path"] == "/once"]
    bodies = [json.loads(one["body"]) for one in once]
    assert [(b["event"], b["attempt"]) for b in bodies] == [
        ("run.started", 1),
        ("run.started", 2),
        ("run.succeeded", 1),
    ]
    assert bodies[0]["id"] == bodies[1]["id"]


def test_a_dead_receiver_has_four_attempts_and_a_replay(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty, receiver.url("/fail"))
    entered(empty, DONE)

    for minutes in (0, 1, 3, 9, 60):
        sent(empty, minutes=minutes)
    assert states(empty) == [("run.succeeded", "dead", 4)]
    [row] = empty.d118("webhooks", "list", "--state", "dead", "--json").json()
    assert (row["answer"], row["receiver"]) == ("500", f"127.0.0.1:{receiver.port}")

    assert empty.d118("webhooks", "replay", row["id"][:8]).code == 0
    assert states(empty) == [("run.succeeded", "waiting", 0)]
    assert empty.d118("webhooks", "send").code == 1
    assert len({json.loads(one["body"])["id"] for one in receiver.got()}) == 1


def test_a_sender_that_was_killed_leaves_its_entry_to_the_next(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty, receiver.url())
    entered(empty, DONE)
    later = utc_now() + dt.timedelta(seconds=60)
    empty.change_state(db.webhook_outbox.update().values(attempts=1, next_at=later))

    assert sent(empty) == {}
    assert sent(empty, seconds=61) == {"delivered": 1}


def test_what_is_refused_is_given_up_at_once_and_stops_nobody_else(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty, "https://169.254.169.254/latest", receiver.url())
    entered(empty, BEGUN)

    assert sent(empty) == {"failed": 1, "delivered": 1}

    assert ("run.started", "dead", 1) in states(empty)


def test_a_slow_receiver_delays_no_run(
    project: ProjectFolder, receiver: Receiver
) -> None:
    told_to(project, receiver.url("/silent"))

    project.deliver("hr_records")

    assert receiver.got() == [], "a run sends nothing itself"
    assert states(project) == [("run.succeeded", "waiting", 0)]


def test_an_event_of_what_was_rolled_back_is_not_told(empty: ProjectFolder) -> None:
    told_to(empty, "https://receiver.example/x")
    with (
        empty.entered(),
        pytest.raises(RuntimeError),
        state_database(empty.project).transaction() as connection,
    ):
        tell_event(connection, empty.project, Hearing(), DONE)
        raise RuntimeError

    assert states(empty) == []


def test_a_ping_tells_of_verified_success_and_of_failure(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty)
    ping = receiver.url("/ping/1")
    failed = RunEvent("hr_records", "run-2", "FAILURE")
    unread = RunEvent("hr_records", "run-3", "SUCCESS", pings=False)

    entered(empty, BEGUN, DONE, DONE, failed, unread, ping=ping)
    sent(empty)

    assert [(one["method"], one["path"]) for one in receiver.got()] == [
        ("GET", "/ping/1"),
        ("GET", "/ping/1/fail"),
    ]


def test_a_ping_that_comes_too_late_would_lie(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty)
    entered(empty, DONE, ping=receiver.url("/ping/1"))

    sent(empty, hours=7)

    assert receiver.got() == []
    assert states(empty) == [("ping", "dead", 1)]


@pytest.mark.long
def test_a_run_is_told_to_the_address_that_came_with_it(
    project: ProjectFolder, receiver: Receiver
) -> None:
    told_to(project)
    project.environment["WEBHOOK_SECRET"] = SECRET
    url = receiver.url("/run")

    assert project.d118("run", "hr_records", "--webhook-url", url).code == 0
    assert project.d118("run", "smartfind").code == 0
    assert project.d118("webhooks", "send").code == 0

    begun, *progress, ended = receiver.events()
    assert (begun, set(progress), ended) == (
        "run.started",
        {"run.progress"},
        "run.succeeded",
    )
    assert all(one["verified"] for one in receiver.got())
    assert {one["path"] for one in receiver.got()} == {"/run"}


@pytest.mark.parametrize(
    ("url", "secret"), [("nonsense", SECRET), ("https://x.example", "")]
)
def test_a_run_with_an_address_that_cannot_be_told_does_not_start(
    empty: ProjectFolder, url: str, secret: str
) -> None:
    answer = empty.d118(
        "run", "hr_records", "--webhook-url", url, WEBHOOK_SECRET=secret
    )

    assert answer.code == 2
    assert empty.rows(db.plans) == []


def test_the_test_says_what_each_receiver_answered(
    empty: ProjectFolder, receiver: Receiver
) -> None:
    told_to(empty, receiver.url("/ok"))
    good = empty.d118("webhooks", "test", "--json")
    empty.environment["ROSTER_SECRET"] = "short"
    bad = empty.d118("webhooks", "test", "hr_records")

    assert (good.code, good.json()[0]["answer"]) == (0, "204")
    assert (bad.code, "too short" in bad.out) == (1, True)
    assert [one["verified"] for one in receiver.got()] == [True]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x.example", "secret": "${S}"},
        {"url": "https://user@x.example", "secret": "${S}"},
        {"url": "https://x.example", "secret": "in clear text"},
        {"url": "https://x.example"},
        {"url": "https://x.example", "secret": "${S}", "events": ["run.exploded"]},
    ],
)
def test_a_webhook_that_is_configured_wrong_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Webhook|validation"):
        Webhook.model_validate(wrong)


@pytest.mark.long
@pytest.mark.real
def test_only_a_delivery_that_the_vendors_server_has_is_pinged(
    project: ProjectFolder, receiver: Receiver, sshd: Sshd
) -> None:
    told_to(project)
    yaml = "mappings/targets/hr_records.yaml"
    more = f"ping: {receiver.url('/ping/1')}\nschedule: {{"
    project.edit(yaml, "schedule: {", more)
    project.deliver("hr_records")
    sent(project)
    assert receiver.got() == [], "the outbox is nobody's server"

    project.edit(yaml, "/syncNine/Inbound", f"./{FOLDER}")
    project.edit(yaml, "password_env: HRRECORDS_SFTP_PASSWORD", "key_file: private.pem")
    key = sshd.keys.private("login").read_bytes()
    (project.root / "private.pem").write_bytes(key)
    (project.root / "private.pem").chmod(0o600)
    host_key = sshd.keys.public("host_ed25519")
    known = f"[127.0.0.1]:{sshd.port} {host_key}\n"
    (project.root / "known_hosts").write_text(known)
    project.environment |= {
        "HRRECORDS_SFTP_ADDRESS": f"127.0.0.1:{sshd.port}",
        "HRRECORDS_SFTP_USERNAME": sshd.account,
    }
    assert project.deliver("hr_records").status == "verified"
    sent(project)
    assert [one["path"] for one in receiver.got()] == ["/ping/1"]

    sshd.process.kill()
    sshd.process.wait()
    with pytest.raises(D118Error):
        project.deliver("hr_records")
    sent(project)
    assert [one["path"] for one in receiver.got()] == ["/ping/1", "/ping/1/fail"]


@pytest.mark.long
@pytest.mark.real
@pytest.mark.timeout(900)
def test_the_daemon_sends_what_a_shell_did_and_what_it_could_not_say(
    project: ProjectFolder, receiver: Receiver
) -> None:
    told_to(project, receiver.url())

    def of_runs_begun_since() -> list[str]:
        bodies = [json.loads(one["body"]) for one in receiver.got()]
        begun = {b["run_id"] for b in bodies if b["event"] == "run.started"}
        return [b["event"] for b in bodies if b["run_id"] in begun]

    with running_daemon(project):
        assert project.run_d118("run", "hr_records").code == 0
        wait_until(lambda: len(of_runs_begun_since()) == 2)
        project.set_people([Person(4000, email_addr=None)])
        assert project.run_d118("run", "hr_records").code == 1
        wait_until(lambda: len(of_runs_begun_since()) == 4)

    begun, ended = "run.started", ("run.succeeded", "run.failed")
    assert of_runs_begun_since() == [begun, ended[0], begun, ended[1]]
    assert all(one["verified"] for one in receiver.got())
