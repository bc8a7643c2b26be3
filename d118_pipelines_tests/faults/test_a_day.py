"""A day in the life: six feeds on schedule under a real daemon, and what people hear of it.

One goes out, one comes in, one is held and approved, one's vendor is down, one is
cancelled, one is paused; only one may be at work at a time. Then the night: prune,
backup, and a copy that is locked. Rules: docs/reference/schedules.md, webhooks.md,
backup.md.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from d118_pipelines.config.hearing import FINAL, STARTED
from d118_pipelines.roster.model.tables import (
    ENTITY_TABLES,
    external_ids,
    sis_sync_runs,
)
from d118_pipelines.schedules import SCHEDULE
from d118_pipelines.sensors import alert_sensor, daemon_ping_sensor
from d118_pipelines.state import database as db
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.mailbox import Mailbox, running_mailbox
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import OneRosterServer, TokenGate
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.roster_sync import entry, oneroster
from d118_pipelines_tests.support.scripted_http import Reply, Request, ScriptedServer
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set
from d118_pipelines_tests.support.sshd import FOLDER, Sshd, end_with_children
from d118_pipelines_tests.support.webhook_receiver import (
    SECRET,
    Receiver,
    running_receiver,
)

pytestmark = [pytest.mark.long, pytest.mark.real, pytest.mark.timeout(1500)]
CHICAGO = ZoneInfo("America/Chicago")
WAIT_SECONDS = 600.0
START_SECONDS = 40
HR, SMARTFIND = "mappings/targets/hr_records.yaml", "mappings/targets/smartfind.yaml"
PAUSED = "files"
ONCE_A_YEAR = "11 11 11 11 *"
"""Stands in the files until the minute is known."""
ENDS = {
    "hr_records": "run.succeeded",
    "smartfind": "run.held",
    "sis": "run.succeeded",
    "down": "run.failed",
    "slow": "run.cancelled",
}
KEPT = (
    *(db.delivery_ledger, db.deliveries, db.plans, db.plan_approvals),
    *(sis_sync_runs, external_ids, *ENTITY_TABLES.values()),
)


class Vendors:
    """Two services that give no roster: one is down, one never answers."""

    def __init__(self) -> None:
        self.is_asked, self.is_over = threading.Event(), threading.Event()

    def answer(self, request: Request) -> Reply:
        if request.path.startswith("/slow"):
            self.is_asked.set()
            self.is_over.wait(WAIT_SECONDS)
        return Reply(503, {"Retry-After": "0"})


@dataclass
class Day:
    """The district, and whoever hears of it."""

    project: ProjectFolder
    receiver: Receiver
    mailbox: Mailbox
    vendors: Vendors
    before: frozenset[str]
    """Runs that ended before the day: the daemon may tell of the newest ones too."""

    def heard(self, name: str, path: str = "/ok") -> list[str]:
        """The events of a feed at one receiver, in order of arrival."""
        return [event for feed, event in self.told(path) if feed == name]

    def told(self, path: str = "/ok") -> list[tuple[str, str]]:
        """The feeds and events of this day at one receiver, each message once."""
        bodies = {one["id"]: one for one in self.messages(path)}.values()
        return [
            (one["target_id"] or one["provider_id"], one["event"])
            for one in bodies
            if one["run_id"] not in self.before
        ]

    def messages(self, path: str) -> list[dict[str, Any]]:
        """All that arrived at one receiver, attempt by attempt."""
        got = [one for one in self.receiver.got() if one["path"] == path]
        return [json.loads(one["body"]) for one in got]

    def pings(self) -> list[str]:
        paths = [one["path"] for one in self.receiver.got() if one["method"] == "GET"]
        return [path for path in paths if path.startswith("/ping/")]

    def subjects(self) -> list[str]:
        """Of all mails."""
        return [str(one["Subject"]) for one in self.mailbox.messages]

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        home = {"DAGSTER_HOME": str(self.project.root)}
        with self.project.entered(**home), dg.DagsterInstance.get() as found:
            yield found

    def runs(self) -> list[dg.DagsterRun]:
        """Those that schedules made."""
        with self.instance() as instance:
            return [one for one in instance.get_runs() if SCHEDULE in one.tags]

    def run_of(self, name: str) -> dg.DagsterRun:
        """The run that the schedule of a feed made: there is one."""
        [found] = [one for one in self.runs() if name in _names(one)]
        return found


def _names(run: dg.DagsterRun) -> list[str]:
    tags = [run.tags.get(f"sis/{kind}", "") for kind in ("target", "provider")]
    return [name for tag in tags for name in tag.split(", ") if name]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end, f"it did not happen: {what}"
        time.sleep(1)


@pytest.fixture
def day(project: ProjectFolder, sshd: Sshd, tmp_path: Path) -> Iterator[Day]:
    vendors = Vendors()
    with ExitStack() as stack:
        sis = stack.enter_context(OneRosterServer(district(5), gate=TokenGate()))
        none = stack.enter_context(ScriptedServer(vendors.answer))
        stack.callback(vendors.is_over.set)
        receiver = stack.enter_context(running_receiver(tmp_path))
        mailbox = stack.enter_context(running_mailbox())
        _set_providers(
            project, oneroster(sis), *(_silent(none, n) for n in ("down", "slow"))
        )
        _set_targets(project, sshd, receiver)
        _set_district(project, receiver, mailbox)
        before = frozenset(row.run_id for row in project.rows(db.deliveries))
        yield Day(project, receiver, mailbox, vendors, before)


def _silent(server: ScriptedServer, name: str) -> dict[str, Any]:
    values = {
        "version": "v1p1",
        "baseUrl": f"{server.url}/{name}",
        "tokenEndpoint": f"{server.url}/{name}/token",
        "clientId": "client-id",
        "clientSecret": "${TEST_CLIENT_SECRET}",
    }
    return entry(name, "ONEROSTER_API", values)


def _set_providers(project: ProjectFolder, *entries: dict[str, Any]) -> None:
    project.environment |= {"TEST_CLIENT_SECRET": "canary-client-secret"}
    put_set(project.root, 5)
    project.set_providers(
        *(
            {k: v for k, v in one.items() if k != "secrets"} | {"schedule": ONCE_A_YEAR}
            for one in (*entries, PROVIDER)
        )
    )


def _set_targets(project: ProjectFolder, sshd: Sshd, receiver: Receiver) -> None:
    """HR Records goes to a server and pings; SmartFind may add nobody, and is held."""
    project.set_people([*PEOPLE, Person(5000)])
    project.edit(SMARTFIND, "max_adds: 50", "max_adds: 0")
    project.edit(SMARTFIND, '"45 4 * * *"', f'"{ONCE_A_YEAR}"')
    project.edit(HR, '"15 4 * * *"', f'"{ONCE_A_YEAR}"')
    for file, name in ((HR, "hr_records"), (SMARTFIND, "smartfind")):
        ping = f"ping: {receiver.url(f'/ping/{name}')}\n"
        project.edit(file, "schedule: {cron", f"{ping}schedule: {{cron")
    project.edit(HR, "/syncNine/Inbound", f"./{FOLDER}")
    project.edit(HR, "password_env: HRRECORDS_SFTP_PASSWORD", "key_file: private.pem")
    key = project.root / "private.pem"
    shutil.copy(sshd.keys.private("login"), key)
    key.chmod(0o600)
    host_key = sshd.keys.public("host_ed25519")
    known = f"[127.0.0.1]:{sshd.port} {host_key}\n"
    (project.root / "known_hosts").write_text(known)
    project.environment |= {
        "HRRECORDS_SFTP_ADDRESS": f"127.0.0.1:{sshd.port}",
        "HRRECORDS_SFTP_USERNAME": sshd.account,
    }


def _set_district(project: ProjectFolder, receiver: Receiver, mailbox: Mailbox) -> None:
    """Two receivers of webhooks, one of which fails at first, e-mail, one at a time."""
    project.environment |= {
        "ROSTER_SECRET": SECRET,
        "ALERT_SMTP_HOST": mailbox.address,
        "MAX_CONCURRENT_SYNCS": "1",
    }
    events = [STARTED, *FINAL]
    hooks = [
        {"url": receiver.url(path), "secret": "${ROSTER_SECRET}", "events": events}
        for path in ("/ok", "/once")
    ]
    path = project.root / "config/district.yaml"
    email = "{to: [it@d118.example], sender: sync@d118.example}"
    text = path.read_text(encoding="utf-8").replace(
        "  webhook_env:", f"  digest: null\n  email: {email}\n  webhook_env:"
    )
    more = f"webhooks: {json.dumps(hooks)}\nwebhook_private_hosts: ['127.0.0.1']\n"
    more += f"daemon_ping: {receiver.url('/daemon')}\n"
    path.write_text(f"{text}\n{more}", encoding="utf-8")


@contextmanager
def running_daemon(day: Day) -> Iterator[None]:
    """A daemon that was up before the minute for which every feed is due."""
    lead = START_SECONDS
    while True:
        due = dt.datetime.now(CHICAGO) + dt.timedelta(seconds=lead + 60)
        due = due.replace(second=0, microsecond=0)
        _set_cron(day.project, f"{due.minute} {due.hour} * * *")
        process = _started(day.project)
        try:
            wait_until(lambda: _knows_all_schedules(day), "all schedules")
            if dt.datetime.now(CHICAGO) < due - dt.timedelta(seconds=5):
                yield
                return
            lead *= 2
        finally:
            end_with_children(process)


def _set_cron(project: ProjectFolder, cron: str) -> None:
    for file in ("config/providers.yaml", HR, SMARTFIND):
        path = project.root / file
        text = path.read_text(encoding="utf-8")
        kept = project.root / f"{path.name}.form"
        if not kept.exists():
            kept.write_text(text, encoding="utf-8")
        text = kept.read_text(encoding="utf-8").replace(ONCE_A_YEAR, cron)
        path.write_text(text, encoding="utf-8")


def _started(project: ProjectFolder) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dagster._daemon", "run"]
    with (project.root / "daemon.log").open("wb") as log:
        return subprocess.Popen(
            [*command, "-m", "d118_pipelines.definitions"],
            cwd=project.root,
            env=project.variables(
                {
                    "DAGSTER_HOME": str(project.root),
                    "DAGSTER_GRPC_TIMEOUT_SECONDS": "400",  # of a busy machine
                }
            ),
            stdout=log,
            stderr=log,
        )


def _knows_all_schedules(day: Day) -> bool:
    with day.instance() as instance:
        known = {one.instigator_name for one in instance.all_instigator_state()}
    jobs = ("hr_records", "smartfind", "sync_sis", "sync_down", "sync_slow")
    return known >= {f"{job}_schedule" for job in (*jobs, f"sync_{PAUSED}")}


def _last_tick(day: Day, schedule: str) -> str:
    """What came of the newest tick of a schedule; empty before its first."""
    with day.instance() as instance:
        for one in instance.all_instigator_state():
            if one.instigator_name == schedule:
                ids = one.instigator_origin_id, one.selector_id
                return next((t.status.value for t in instance.get_ticks(*ids)), "")
    return ""


def test_a_day_in_the_life(day: Day, tmp_path: Path) -> None:
    project = day.project
    until = ("--until", "2090-01-31", "--reason", "the office moves")
    assert project.d118("pause", PAUSED, *until).code == 0

    with running_daemon(day):
        _morning(day)
        _people_act(day)

    _everything_was_told(day)
    _one_was_at_work_at_a_time(day)
    _nothing_is_lost(day)
    _the_digest_says_it(day)
    _the_night(day, tmp_path)


def _morning(day: Day) -> None:
    """The schedules fire; one vendor does not answer, so that nobody else gets a turn."""
    wait_until(day.vendors.is_asked.is_set, "the run of slow")
    wait_until(
        lambda: _last_tick(day, f"sync_{PAUSED}_schedule") == "SKIPPED",
        "a skipped tick of what is paused",
    )
    wait_until(lambda: len(day.runs()) == len(ENDS), "a run of each schedule")
    shell = day.project.d118("run", "smartfind")
    assert (shell.code, "BUSY" in shell.err) == (4, True), shell.err
    slow = day.run_of("slow").run_id
    cancelled = day.project.d118("runs", "cancel", slow)
    assert cancelled.code == 0, cancelled.err


def _people_act(day: Day) -> None:
    """What is held is approved and carried out, and everybody has heard everything."""
    project = day.project
    wait_until(lambda: all(day.heard(n)[1:] == [e] for n, e in ENDS.items()), "ends")
    plan = project.d118("plan", "smartfind", "--json").json()
    reason = ("--reason", "one person is new")
    approved = project.d118("approve", "smartfind", plan["plan_hash"], *reason)
    assert approved.code == 0, approved.err
    assert project.d118("run", "smartfind").code == 0
    wait_until(
        lambda: (
            not [r for r in project.rows(db.webhook_outbox) if r.state == "waiting"]
        ),
        "an empty outbox",
    )
    wait_until(
        lambda: {s.partition(":")[0] for s in day.subjects()} >= {"FAILED", "HELD"},
        "two alerts",
    )


def _everything_was_told(day: Day) -> None:
    ends = {name: [STARTED, end] for name, end in ENDS.items()}
    ends["smartfind"] += [STARTED, "run.succeeded"]
    for path in ("/ok", "/once"):
        heard = {name: day.heard(name, path) for name in {n for n, _ in day.told(path)}}
        assert heard == ends
        _came_in_order(day, path)
    first, again = day.messages("/once")[:2]
    assert (again["id"], again["attempt"]) == (first["id"], 2)
    webhooks = [one for one in day.receiver.got() if one["method"] == "POST"]
    assert all(one["verified"] for one in webhooks)
    # What was approved went to the outbox, which is nobody's server.
    assert sorted(day.pings()) == ["/ping/hr_records", "/ping/smartfind/fail"]
    kinds = [one.partition(":")[0] for one in day.subjects()]
    assert (kinds.count("FAILED"), kinds.count("HELD")) == (1, 1), day.subjects()
    assert not [one for one in day.subjects() if "slow" in one or PAUSED in one]
    assert "/daemon" in [one["path"] for one in day.receiver.got()]


def _came_in_order(day: Day, path: str) -> None:
    """What failed came again before anything newer; nothing is missing."""
    rows = sorted(day.project.rows(db.webhook_outbox), key=lambda row: row.number)
    entered = [row.id for row in rows if row.url == day.receiver.url(path)]
    assert [id for id, _ in groupby(one["id"] for one in day.messages(path))] == entered


def _one_was_at_work_at_a_time(day: Day) -> None:
    ended = {
        row.detail[4:40]: row.at
        for row in day.project.rows(db.audit_log)
        if row.action == "run ended"
    }
    begun = {
        row.run_id: row.created_at
        for row in day.project.rows(db.webhook_outbox)
        if row.event == STARTED
    }
    assert len(begun) == len(ENDS) + 1
    times = sorted((at, ended[run_id]) for run_id, at in begun.items())
    for (_, end), (start, _) in pairwise(times):
        assert end <= start


def _nothing_is_lost(day: Day) -> None:
    rows = day.project.d118("runs", "--json").json()["runs"]
    wanted = {n: {e.removeprefix("run.")} for n, e in ENDS.items()}
    words = {"succeeded": {"delivered", "applied"}}
    for name, (end,) in wanted.items():
        outcomes = {r["outcome"] for r in rows if r["name"] == name}
        assert outcomes & words.get(end, {end}), (name, outcomes)
    told = day.project.d118("audit", "--limit", "0", "--json").json()
    audit = [(row["action"], row["object"], row["actor"]) for row in told]
    for name in ENDS:
        job = name if name in ("hr_records", "smartfind") else f"sync_{name}"
        for action in ("run started", "run ended"):
            assert (action, name, f"{job}_schedule") in audit
    actions = {action for action, _, _ in audit}
    assert actions >= {"pause", "cancel", "approve", "approval used", "delivered"}


def _the_digest_says_it(day: Day) -> None:
    day.project.edit("config/district.yaml", "digest: null", 'digest: "00:00"')
    before = len(day.mailbox.messages)
    with day.instance() as instance:
        look = dg.build_sensor_context(
            instance, resources={"project": day.project.project}
        )
        alert_sensor(look)
        alert_sensor(look)
    new = day.mailbox.messages[before:]
    [digest] = [one for one in new if " went out, " in str(one["Subject"])]
    text = digest.get_content()
    out, _, rest = text.partition("Came in:")
    came, _, rest = rest.partition("Waits for a person:")
    waits, _, _ = rest.partition("To correct:")
    assert "hr_records" in out and "smartfind" in out
    assert "sis" in came and "down" not in came
    assert "down" in waits
    assert "RESOLVED: smartfind" in day.subjects()


def _the_night(day: Day, tmp_path: Path) -> None:
    """Prune, backup, and a copy that says nothing to anybody before it is unlocked."""
    project = day.project
    assert project.d118("run", "hr_records").code == 0  # nobody is told of it yet
    kept = _kept(project)
    assert project.d118("prune").code == 0
    assert _kept(project) == kept
    archive = tmp_path / "backup.tar.gz"
    assert project.d118("backup", str(archive)).code == 0

    copy = ProjectFolder(tmp_path / "copy", PEOPLE)
    shutil.copytree(project.root / "tables", copy.root / "tables", dirs_exist_ok=True)
    for part in ("config", "mappings"):
        shutil.copytree(project.root / part, copy.root / part, dirs_exist_ok=True)
    restored = copy.d118("restore", str(archive))
    assert restored.code == 0, restored.err
    shutil.copy(project.root / "private.pem", copy.root)
    tables = {"POWERSCHOOL_CSV_DIR": str(copy.root / "tables")}
    copy.environment = {**project.environment, **tables}
    assert _kept(copy) == kept

    # A digest is due, and two messages wait; but not from here.
    copy.change_state(db.alerts.delete().where(db.alerts.c.kind == "digest"))
    heard, mails = len(day.receiver.got()), len(day.mailbox.messages)
    again = replace(day, project=copy)
    assert "LOCKED" in copy.d118("run", "hr_records").err
    assert copy.d118("webhooks", "send").code == 0
    _sensors_look(again)
    assert (len(day.receiver.got()), len(day.mailbox.messages)) == (heard, mails)

    assert copy.d118("unlock").code == 0
    _sensors_look(again)
    assert len(day.mailbox.messages) > mails
    assert [one["path"] for one in day.receiver.got()[heard:]] == ["/daemon"]
    assert copy.d118("webhooks", "send").code == 0
    assert day.told()[-2:] == [("hr_records", e) for e in (STARTED, "run.succeeded")]
    sent = copy.d118("run", "hr_records")
    assert sent.code == 0, sent.err
    actions = [row.action for row in copy.rows(db.audit_log)]
    assert {"restored", "unlocked", "compared"} <= set(actions)


def _sensors_look(day: Day) -> None:
    """The digest and the call of daemon_ping: what the daemon would do."""
    with day.instance() as instance:
        resources = {"project": day.project.project}
        for sensor in (alert_sensor, daemon_ping_sensor):
            sensor(dg.build_sensor_context(instance, resources=resources))


def _kept(project: ProjectFolder) -> dict[str, list[Any]]:
    """What must outlive every night."""
    return {table.name: project.rows(table) for table in KEPT}
