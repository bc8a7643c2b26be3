"""Alerts: a failed and a held run are told once, by webhook and by e-mail."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pytest_httpserver import HTTPServer

from d118_pipelines.config.district import Alerts, Email
from d118_pipelines.delivery.messages import Alert
from d118_pipelines.errors import ConnectionLostError, D118Error
from d118_pipelines.sensors import run_alert_sensor
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.alerts import send_alert
from d118_pipelines_tests.conftest import HALF, PEOPLE
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.in_process import execute
from d118_pipelines_tests.support.mailbox import (
    Mailbox,
    own_certificate,
    running_mailbox,
)
from d118_pipelines_tests.support.project import ProjectFolder

SECRET_PATH = "/hooks/canary-webhook-secret"
ALERT = Alert("failed", "cause", "FAILED: hr_records", "why", ("hr_records",), "run-1")
MONDAY = dt.datetime(2026, 11, 23, 5, 0, tzinfo=dt.UTC)


@pytest.fixture
def webhook(httpserver: HTTPServer) -> HTTPServer:
    httpserver.expect_request(SECRET_PATH, method="POST").respond_with_data("ok")
    return httpserver


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as mailbox:
        yield mailbox


def told(webhook: HTTPServer) -> list[dict[str, Any]]:
    """What was posted to the webhook so far."""
    return [json.loads(request.data) for request, _ in webhook.log]


def noticed(
    project: ProjectFolder,
    webhook: HTTPServer,
    job: str = "",
    *,
    select: tuple[str, ...] = (),
    times: int = 1,
) -> list[dict[str, Any]]:
    """Run, let the sensor look at the failure, and return what was posted."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = execute(project, job, select=select, instance=instance)
        assert not result.success
        for _ in range(times):
            look(project, instance, result.dagster_run, webhook)
    return told(webhook)


def look(
    project: ProjectFolder,
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    webhook: HTTPServer | None,
) -> None:
    """Evaluate the sensor for a run as the daemon does."""
    [ended] = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE
    ).records
    event = ended.event_log_entry.dagster_event
    assert event is not None
    context = dg.build_run_status_sensor_context(
        sensor_name="run_alert_sensor",
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=run,
        resources={"project": project.project},
    )
    more = {"ALERT_WEBHOOK_URL": webhook.url_for(SECRET_PATH)} if webhook else {}
    with project.entered(**more):
        run_alert_sensor(context.for_run_failure())


def test_a_failed_extract_is_told(project: ProjectFolder, webhook: HTTPServer) -> None:
    project.set_people([Person(4000, email_addr=None)])

    [alert] = noticed(project, webhook, "hr_records")

    assert alert["kind"] == "failed"
    assert alert["title"].startswith("FAILED: raw")
    assert "FAILED extract.zero_rows" in alert["text"]
    assert len(alert["run_id"]) == 36


@pytest.mark.long
def test_a_held_run_is_told_with_the_way_on(
    project: ProjectFolder, webhook: HTTPServer
) -> None:
    project.set_people(HALF)

    [alert] = noticed(project, webhook, "hr_records")

    assert alert["kind"] == "held"
    assert alert["targets"] == ["hr_records"]
    assert alert["title"] == "HELD: hr_records; waits for an approval"
    assert "HELD guard.drop_within_limit  hr_records:" in alert["text"]
    assert "d118 approve hr_records " in alert["text"]


@pytest.mark.long
def test_a_failed_guard_is_told_with_its_rule(
    project: ProjectFolder, webhook: HTTPServer
) -> None:
    project.edit("mappings/targets/hr_records.yaml", "min_rows: 1", "min_rows: 500")

    [alert] = noticed(project, webhook, "hr_records")

    assert alert["title"] == "FAILED: hr_records; nothing counts as sent"
    assert "FAILED guard.rows_enough  hr_records:" in alert["text"]


@pytest.mark.long
def test_one_run_may_be_held_and_failed(
    project: ProjectFolder, webhook: HTTPServer
) -> None:
    project.set_people(HALF)
    project.edit("mappings/targets/smartfind.yaml", "min_rows: 1", "min_rows: 500")

    alerts = noticed(project, webhook)

    assert [(alert["kind"], alert["targets"]) for alert in alerts] == [
        ("failed", ["smartfind"]),
        ("held", ["hr_records"]),
    ]


def test_a_delivery_that_is_held_by_itself_is_told_as_held(
    held: ProjectFolder, webhook: HTTPServer
) -> None:
    [alert] = noticed(held, webhook, select=("deliveries/hr_records",))

    assert (alert["kind"], alert["targets"]) == ("held", ["hr_records"])


@pytest.mark.long
def test_a_released_plan_whose_delivery_fails_is_told_as_failed(
    held: ProjectFolder, webhook: HTTPServer
) -> None:
    plan = held.d118("plan", "hr_records", "--json").json()["plan_hash"]
    held.d118("approve", "hr_records", plan, "--reason", "confirmed")
    outbox = held.home / "outbox/hr_records"
    outbox.rename(outbox.with_name("moved"))
    outbox.touch()

    [alert] = noticed(held, webhook, "hr_records")

    assert alert["kind"] == "failed"
    assert "folder" in alert["text"]


@pytest.mark.long
def test_the_same_problem_is_told_once(
    project: ProjectFolder, webhook: HTTPServer
) -> None:
    project.set_people(HALF)

    noticed(project, webhook, "hr_records", times=2)
    alerts = noticed(project, webhook, "hr_records")

    assert len(alerts) == 1


@pytest.mark.long
def test_an_alert_holds_nothing_of_a_person_and_no_secret(
    project: ProjectFolder, webhook: HTTPServer
) -> None:
    canary = Person(4700, last_name="Canaryname", home_phone="canary-phone")
    project.set_people([*HALF, canary, Person(4701, email_addr="p4700@d118.example")])

    alerts = noticed(project, webhook)

    assert alerts
    sent = json.dumps(alerts)
    for value in ("Canaryname", "canary-phone", "@d118.example", "canary-webhook"):
        assert value not in sent


@pytest.mark.long
@pytest.mark.real
def test_runs_from_a_shell_are_told(
    project: ProjectFolder, webhook: HTTPServer
) -> None:
    project.set_people(HALF)
    assert project.run_d118("run", "hr_records").code == 3

    with (
        project.entered(DAGSTER_HOME=str(project.root)),
        dg.DagsterInstance.get() as instance,
    ):
        [run] = instance.get_runs(limit=1)
        look(project, instance, run, webhook)

    [alert] = told(webhook)
    assert (alert["kind"], alert["run_id"]) == ("held", run.run_id)


@pytest.mark.long
def test_where_nothing_is_set_up_nothing_is_sent(project: ProjectFolder) -> None:
    project.set_people(HALF)
    with dg.DagsterInstance.ephemeral() as instance:
        result = execute(project, "hr_records", instance=instance)

        look(project, instance, result.dagster_run, None)

    assert project.rows(db.alerts) == []


def send(
    project: ProjectFolder,
    settings: Alerts,
    *,
    now: dt.datetime = MONDAY,
    alert: Alert = ALERT,
    **more: str,
) -> list[str]:
    with project.entered(**more):
        database = state_database(project.project)
        return send_alert(database, settings, alert, now=now)


def by_mail(mailbox: Mailbox | None = None) -> dict[str, str]:
    return {"ALERT_SMTP_HOST": mailbox.address} if mailbox else {}


MAIL = Alerts(
    email=Email(to=["a@d118.example", "b@d118.example"], sender="s@d118.example")
)


@pytest.fixture
def empty(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project", PEOPLE)


def test_it_is_told_again_when_its_cause_changes(
    empty: ProjectFolder, webhook: HTTPServer
) -> None:
    url = {"ALERT_WEBHOOK_URL": webhook.url_for(SECRET_PATH)}
    other = replace(ALERT, cause="another")

    ways = [send(empty, Alerts(), alert=a, **url) for a in (ALERT, ALERT, other, ALERT)]

    assert ways == [["webhook"], [], ["webhook"], ["webhook"]]


def test_a_mail_has_title_text_and_run(empty: ProjectFolder, mailbox: Mailbox) -> None:
    assert send(empty, MAIL, **by_mail(mailbox)) == ["e-mail"]

    [message] = mailbox.messages
    assert message["Subject"] == "FAILED: hr_records"
    assert message["From"] == "s@d118.example"
    assert message["To"] == "a@d118.example, b@d118.example"
    assert message.get_content().split() == ["why", "Run", "run-1"]


def test_both_ways_are_used_where_both_are_set_up(
    empty: ProjectFolder, webhook: HTTPServer, mailbox: Mailbox
) -> None:
    url = {"ALERT_WEBHOOK_URL": webhook.url_for(SECRET_PATH)}

    assert send(empty, MAIL, **url, **by_mail(mailbox)) == ["webhook", "e-mail"]


def test_text_of_a_source_is_no_markup_and_no_header_of_an_alert(
    empty: ProjectFolder, webhook: HTTPServer, mailbox: Mailbox
) -> None:
    url = {"ALERT_WEBHOOK_URL": webhook.url_for(SECRET_PATH)}
    text = "key <!channel> [x](http://evil.example)\x1b[2J\n  Rule: r_1"
    alert = replace(ALERT, title="a\nBcc: x@evil.example", text=text)

    send(empty, MAIL, alert=alert, **url, **by_mail(mailbox))

    [posted], [mail] = told(webhook), mailbox.messages
    assert posted["text"].split("\n")[1:] == [
        r"key &lt;!channel&gt; \[x\](http\://evil.example)\\u001b\[2J",
        "  Rule: r_1",
    ]
    assert "\n" not in posted["title"]
    assert mail["Subject"] == r"a\u000aBcc: x@evil.example"
    assert mail["Bcc"] is None
    assert r"(http://evil.example)\u001b[2J" in mail.get_content()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/canary-secret",
        "canary-secret",
        "ftp://canary-secret",
        "http://chat.example/canary-secret",
        "https://169.254.169.254/canary-secret",
        "http://[canary-secret",
    ],
)
def test_a_webhook_that_cannot_be_reached_is_an_error_without_its_address(
    empty: ProjectFolder, mailbox: Mailbox, address: str
) -> None:
    with pytest.raises(ConnectionLostError) as caught:
        send(empty, MAIL, ALERT_WEBHOOK_URL=address, **by_mail(mailbox))

    assert "$ALERT_WEBHOOK_URL" in str(caught.value)
    assert "canary-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert len(mailbox.messages) == 1, "the other way is used all the same"


def test_a_webhook_that_refuses_is_an_error_and_is_tried_again(
    empty: ProjectFolder, httpserver: HTTPServer
) -> None:
    httpserver.expect_ordered_request(SECRET_PATH).respond_with_data("no", status=500)
    httpserver.expect_ordered_request(SECRET_PATH).respond_with_data("ok")
    url = {"ALERT_WEBHOOK_URL": httpserver.url_for(SECRET_PATH)}

    with pytest.raises(ConnectionLostError, match="HTTPStatusError"):
        send(empty, Alerts(), **url)

    assert send(empty, Alerts(), **url) == ["webhook"]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "", "127.0.0.1:port", ":25"])
def test_a_mail_server_that_cannot_be_reached_is_an_error(
    empty: ProjectFolder, webhook: HTTPServer, address: str
) -> None:
    url = {"ALERT_WEBHOOK_URL": webhook.url_for(SECRET_PATH)}

    with pytest.raises(D118Error) as caught:
        send(empty, MAIL, ALERT_SMTP_HOST=address, **url)

    assert "ALERT_SMTP_HOST" in str(caught.value)
    assert len(told(webhook)) == 1
    assert send(empty, MAIL, **url) == [], "it was told by the webhook"


def test_mail_is_encrypted_where_the_server_can(
    empty: ProjectFolder, tmp_path: Path
) -> None:
    with running_mailbox(own_certificate(tmp_path / "tls.pem")) as mailbox:
        send(empty, MAIL, **by_mail(mailbox))

        assert mailbox.was_encrypted == [True]


def test_a_password_is_not_given_to_a_server_that_proves_nothing(
    empty: ProjectFolder, tmp_path: Path, mailbox: Mailbox
) -> None:
    login = {"ALERT_SMTP_USERNAME": "canary-user", "ALERT_SMTP_PASSWORD": "canary-word"}
    with running_mailbox(own_certificate(tmp_path / "tls.pem")) as unproven:
        for server in (unproven, mailbox):
            with pytest.raises(ConnectionLostError) as caught:
                send(empty, MAIL, **by_mail(server), **login)
            assert "canary" not in str(caught.value)
            assert (server.logins, server.messages) == (0, [])
