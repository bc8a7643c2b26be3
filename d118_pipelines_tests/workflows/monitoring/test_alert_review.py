"""What was told ends, what is late or ends soon is told, and the digest of the morning."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from pytest_httpserver import HTTPServer

from d118_pipelines.delivery.messages import Alert
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.sensors import alert_sensor, daemon_ping_sensor
from d118_pipelines.state import database as db
from d118_pipelines.workflows.monitoring.alerts import (
    automation_alerts,
    late_alerts,
    review,
    tell,
)
from d118_pipelines.workflows.monitoring.all_feeds import load_feeds
from d118_pipelines.workflows.monitoring.digest import digest_due, note_digest
from d118_pipelines.workflows.monitoring.expiries import expiries_shown, expiry_alerts
from d118_pipelines.workflows.targets.target_feed import TargetState
from d118_pipelines_tests.conftest import HALF, PEOPLE
from d118_pipelines_tests.support.in_process import execute
from d118_pipelines_tests.support.mailbox import (
    Mailbox,
    own_certificate,
    running_mailbox,
)
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.workflows.monitoring.test_alerts import SECRET_PATH, look

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
STATE = TargetState(
    target="hr_records",
    state="delivered",
    when=NOW,
    to_do="",
    last_delivery=NOW,
    plan="",
    findings=0,
    last_deadline=None,
    next_deadline=None,
    next_run=None,
    destination="outbox",
    files=[],
    last_error="",
)
FAILED = Alert("failed", "c", "FAILED: hr_records", "why", ("hr_records",), "run-1")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as mailbox:
        yield mailbox


def by_mail(project: ProjectFolder, mailbox: Mailbox, more: str = "") -> ProjectFolder:
    project.edit(
        "config/district.yaml",
        "  webhook_env: ALERT_WEBHOOK_URL\n",
        "  email: {to: [t@d118.example], sender: s@d118.example}\n" + more,
    )
    project.environment["ALERT_SMTP_HOST"] = mailbox.address
    return project


@pytest.fixture
def told(tmp_path: Path, mailbox: Mailbox) -> ProjectFolder:
    """A project in which hr_records failed, and a person was told."""
    project = by_mail(ProjectFolder(tmp_path / "project", PEOPLE), mailbox)
    with project.entered():
        tell(project.project, FAILED, NOW)
    return project


def reviewed(
    project: ProjectFolder,
    state: str,
    *watched: Alert,
    now: dt.datetime = NOW,
    name: str = "hr_records",
) -> list[str]:
    states = [replace(STATE, target=name, state=state)]
    with project.entered():
        return review(project.project, states, watched, now)


def subjects(mailbox: Mailbox) -> list[str]:
    return [str(message["Subject"]) for message in mailbox.messages]


@pytest.mark.parametrize("state", ["failed", "running", "held", "released", "paused"])
def test_what_lasts_is_not_resolved(
    told: ProjectFolder, mailbox: Mailbox, state: str
) -> None:
    assert reviewed(told, state) == []
    assert subjects(mailbox) == ["FAILED: hr_records"]


def test_a_good_run_resolves_once(told: ProjectFolder, mailbox: Mailbox) -> None:
    reviewed(told, "delivered")
    reviewed(told, "delivered")

    assert subjects(mailbox) == ["FAILED: hr_records", "RESOLVED: hr_records"]
    assert told.rows(db.alerts) == []


def test_what_could_not_be_told_is_told_by_the_next_look(
    told: ProjectFolder, mailbox: Mailbox
) -> None:
    told.environment["ALERT_SMTP_HOST"] = "127.0.0.1:1"
    reviewed(told, "delivered")
    told.environment["ALERT_SMTP_HOST"] = mailbox.address
    reviewed(told, "delivered")

    assert subjects(mailbox)[1:] == ["RESOLVED: hr_records"]


def test_what_nobody_knows_any_more_is_dropped_without_a_word(
    told: ProjectFolder, mailbox: Mailbox
) -> None:
    reviewed(told, "delivered", name="other")
    assert len(told.rows(db.alerts)) == 1

    reviewed(told, "delivered", name="other", now=NOW + dt.timedelta(days=31))

    assert told.rows(db.alerts) == []
    assert len(mailbox.messages) == 1


def test_a_missed_deadline_is_told_once_and_resolved_by_the_delivery(
    told: ProjectFolder, mailbox: Mailbox
) -> None:
    [late] = late_alerts([replace(STATE, state="late", to_do="d118 runs")])
    for _ in range(2):
        reviewed(told, "late", late)
    reviewed(told, "delivered")

    assert [s.partition(";")[0] for s in subjects(mailbox)[1:]] == [
        "LATE: hr_records",
        "RESOLVED: hr_records",
        "RESOLVED: hr_records",
    ]


def test_a_failing_sensor_is_told_and_its_good_tick_resolves_it(
    told: ProjectFolder, mailbox: Mailbox
) -> None:
    fault = "FAILS  The last tick of alert_sensor failed. Next: make ui, Automation"
    reviewed(told, "failed", *automation_alerts([fault]))
    reviewed(told, "failed")

    assert subjects(mailbox)[1:] == [
        "AUTOMATION: FAILS  The last tick of alert_sensor failed",
        "RESOLVED: FAILS  The last tick of alert_sensor failed",
    ]


@pytest.fixture
def expiring(tmp_path: Path) -> ProjectFolder:
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    certificate = own_certificate(project.root / "server.pem")
    path = project.root / "config/district.yaml"
    wanted = "expires: {console certificate: server.pem, spare: nowhere.pem}\n"
    path.write_text(path.read_text() + wanted)
    project.edit(
        "mappings/targets/hr_records.yaml",
        "schedule: {",
        "expires: {password: 2027-06-30}\nschedule: {",
    )
    project.edit(
        "mappings/targets/hr_records.yaml",
        "  retention: as the agreement says\n",
        "  agreement_ends: 2027-07-31\n",
    )
    assert certificate.is_file()
    return project


@pytest.mark.parametrize(
    ("today", "told"),
    [
        (dt.date(2027, 5, 30), []),
        (dt.date(2027, 5, 31), ["EXPIRES: password of hr_records, on 2027-06-30"]),
        (
            dt.date(2027, 7, 1),
            [
                "EXPIRED: password of hr_records, on 2027-06-30",
                "EXPIRES: agreement of hr_records, on 2027-07-31",
            ],
        ),
    ],
)
def test_what_ends_is_told_thirty_days_before_and_when_it_has_ended(
    expiring: ProjectFolder, today: dt.date, told: list[str]
) -> None:
    with expiring.entered():
        project = expiring.project
        alerts = expiry_alerts(project, load_feeds(project), today)

    titles = [alert.title for alert in alerts]
    assert titles[0].startswith("EXPIRED: console certificate of the district, on 20")
    assert titles[1] == (
        "EXPIRES: the certificate spare of the district cannot be read"
    )
    assert titles[2:] == told


def test_doctor_names_what_has_no_date(expiring: ProjectFolder) -> None:
    with expiring.entered():
        project = expiring.project
        feeds = load_feeds(project)
        with pytest.raises(ConfigurationError, match="spare of the district"):
            expiries_shown(project, feeds)
        own_certificate(expiring.root / "nowhere.pem")
        shown = expiries_shown(project, feeds)

    assert shown.endswith(
        "password of hr_records 2027-06-30, agreement of hr_records 2027-07-31"
    )


@pytest.mark.parametrize(
    ("at", "last", "due"),
    [
        ("06:59", None, False),
        ("07:00", None, True),
        ("23:59", "2026-11-22 07:00", True),
        ("07:05", "2026-11-23 07:00", False),
        ("06:59", "2026-11-22 07:00", False),
    ],
)
def test_the_digest_is_due_once_a_day_in_the_districts_time(
    tmp_path: Path, at: str, last: str | None, due: bool
) -> None:
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    zone = project.project.district().zone
    hour, minute = map(int, at.split(":"))
    now = dt.datetime(2026, 11, 23, hour, minute, tzinfo=zone)
    if last:
        note_digest(
            project.project, dt.datetime.fromisoformat(last).replace(tzinfo=zone)
        )

    assert digest_due(project.project, now) is due


@pytest.mark.long
def test_a_hold_ends_with_the_delivery_and_the_digest_says_what_went_out(
    project: ProjectFolder, httpserver: HTTPServer, mailbox: Mailbox
) -> None:
    httpserver.expect_request(SECRET_PATH, method="POST").respond_with_data("ok")
    more = '  digest: "00:00"\n'
    by_mail(project, mailbox, more)
    with dg.instance_for_test() as instance:
        project.set_people(HALF)
        held = execute(project, "hr_records", instance=instance)
        look(project, instance, held.dagster_run, httpserver)
        evaluate(project, instance)
        project.change_state(sa.delete(db.alerts).where(db.alerts.c.kind == "digest"))
        project.set_people(PEOPLE)
        assert execute(project, "hr_records", instance=instance).success
        evaluate(project, instance)
        evaluate(project, instance)

    assert [s.partition(";")[0].partition(":")[0] for s in subjects(mailbox)] == [
        "HELD",
        "Community Unit School District 118",
        "RESOLVED",
        "Community Unit School District 118",
    ]
    first, second = (str(mailbox.messages[n].get_content()) for n in (1, 3))
    assert "HELD  hr_records" in first
    assert "d118 plan hr_records" in first
    went_out = second[second.index("Went out") : second.index("Came in")]
    assert "StaffData.txt 19 rows" in went_out
    correct = first[first.index("To correct") :]
    assert "HR Records administrator:" in correct
    assert "hr_records: 9 left_file. Delivered last time" in correct
    for person in PEOPLE:
        assert f" {person.last_name}" not in first + second
    assert "@" not in first + second


def evaluate(project: ProjectFolder, instance: dg.DagsterInstance) -> None:
    with project.entered(DAGSTER_HOME=str(project.root)):
        context = dg.build_sensor_context(
            instance, resources={"project": project.project}
        )
        alert_sensor(context)


def test_the_test_says_by_which_way_it_went(
    tmp_path: Path, httpserver: HTTPServer, mailbox: Mailbox
) -> None:
    httpserver.expect_request(SECRET_PATH, method="POST").respond_with_data("ok")
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    assert project.d118("alerts", "test").code == 1, "no way is set up"
    by_mail(project, mailbox)
    url = httpserver.url_for(SECRET_PATH)

    good = project.d118("alerts", "test", "--json", ALERT_WEBHOOK_URL=url)
    bad = project.d118("alerts", "test", ALERT_SMTP_HOST="127.0.0.1:1")

    assert [row["result"] for row in good.json()] == ["sent", "sent"]
    assert json.loads(httpserver.log[0][0].data)["text"].startswith("TEST")
    assert (bad.code, "could not be mailed" in bad.out) == (1, True)
    assert project.d118("alerts", "list", "--json").json() == []


def test_the_daemon_calls_its_ping(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ping/1", method="GET").respond_with_data("ok")
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    path = project.root / "config/district.yaml"
    more = "daemon_ping: ${PING}\nwebhook_private_hosts: [localhost]\n"
    path.write_text(path.read_text() + more)
    context = dg.build_sensor_context(resources={"project": project.project})

    with project.entered(PING=httpserver.url_for("/ping/1")):
        answer = daemon_ping_sensor(context)
    with project.entered(PING="https://127.0.0.1:1/canary"):
        refused = daemon_ping_sensor(context)

    assert isinstance(answer, dg.SkipReason)
    assert isinstance(refused, dg.SkipReason)
    assert answer.skip_message == "Answered: 200."
    assert "refused" in (refused.skip_message or "")
    assert "canary" not in (refused.skip_message or "")
    assert len(httpserver.log) == 1
