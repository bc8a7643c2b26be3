"""H10 and S26 through Dagster: no secret, and no person, in anything that a run leaves.

Every personal field and every secret holds a mark. Whole commands run at debug level
with every library's log kept; then every byte of the project and of the output is
searched.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import duckdb
import pytest
from pytest_httpserver import HTTPServer

from d118_pipelines_tests.support.canaries import (
    PERSON,
    SECRET,
    marked,
    people_in_wrong_places,
    secrets_in_any_place,
)
from d118_pipelines_tests.support.examples import some
from d118_pipelines_tests.support.oracle_listener import OracleListener
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.server_sync import Line, use_server
from d118_pipelines_tests.support.sshd import Sshd

pytestmark = pytest.mark.real

PEOPLE = [
    *(marked(dcid) for dcid in range(4001, 4012)),
    marked(4012, last_name=f"{PERSON}\t|Łuk"),
    marked(4013, teachernumber=f"{PERSON}12"),
    marked(4014, teachernumber=None),
    marked(4015, last_name=None),
    marked(4016, has_home_row=False),
    marked(4017, hr={"contractemp": "1"}),
    marked(4018, first_name="Test"),
    marked(4019, teachernumber="04001"),
]
COMMAND = ["asset", "materialize", "-m", "d118_pipelines.definitions", "--select", "*"]
DEBUG = "python_logs: {python_log_level: DEBUG, managed_python_loggers: [root]}"
PASSPHRASE = f"{SECRET}passphrase"


@pytest.fixture
def project(tmp_path: Path, server: Sshd, line: Line) -> ProjectFolder:
    """Both targets at the server, everything marked, everything logged."""
    line.limit = None
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    project.edit("dagster.yaml", "python_logs: {python_log_level: INFO}", DEBUG)
    use_server(project, server, line.port)
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f"]
    subprocess.run([*change, project.root / "private.pem"], check=True)
    project.environment["SFE_SFTP_KEY_PASSPHRASE"] = PASSPHRASE
    project.environment["ALERT_WEBHOOK_URL"] = f"http://127.0.0.1:9/{SECRET}token"
    project.environment["ALERT_SMTP_PASSWORD"] = f"{SECRET}mail"
    seeded = project.d118("ledger", "seed", "smartfind", "--newest-dcid", "4005")
    assert seeded.code == 0
    return project


@contextmanager
def wrong_password_and_passphrase(project: ProjectFolder) -> Iterator[str]:
    project.environment["HRRECORDS_SFTP_PASSWORD"] = f"{SECRET}wrong"
    project.environment["SFE_SFTP_KEY_PASSPHRASE"] = f"{SECRET}wrong"
    yield "The private key file is protected with another passphrase"


@contextmanager
def held(project: ProjectFolder) -> Iterator[str]:
    for target in ("hr_records", "smartfind"):
        project.deliver(target)
    project.set_people(PEOPLE[6:])
    yield "drop_within_limit"


@contextmanager
def sql_that_fails_on_a_value(project: ProjectFolder) -> Iterator[str]:
    break_sql(project, "hr_records/people.sql", "street")
    break_sql(project, "smartfind/w2_sso.sql", "sso_identifier")
    yield "ConversionException"


def break_sql(project: ProjectFolder, name: str, column: str) -> None:
    path = project.root / "sql/exports" / name
    sql = path.read_text(encoding="utf-8")
    path.write_text(f"SELECT *, CAST({column} AS BIGINT) AS n FROM (\n{sql}\n)")


@contextmanager
def cell_that_is_no_number(project: ProjectFolder) -> Iterator[str]:
    path = project.root / "tables/users.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(",5,", f",{PERSON},", 1), encoding="utf-8")
    yield "A cell of users.csv does not fit its column."


@contextmanager
def refused_oracle_login(project: ProjectFolder) -> Iterator[str]:
    user = f"{SECRET}reader"
    with (
        duckdb.connect() as database,
        OracleListener({user: "another"}, database) as listener,
    ):
        project.environment["POWERSCHOOL_PROD_DB"] = listener.dsn
        project.environment["POWERSCHOOL_READ_USER"] = user
        project.environment["POWERSCHOOL_DB_PASSWORD"] = f"{SECRET}word"
        yield "PowerSchool's database refused the login"


@contextmanager
def database_that_refuses_a_line(project: ProjectFolder) -> Iterator[str]:
    """An error that nobody foresaw, of a library that likes to quote values."""
    with sqlite3.connect(project.home / "d118.sqlite") as connection:
        connection.execute(
            "CREATE TRIGGER t BEFORE INSERT ON delivery_ledger "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    connection.close()
    yield "FAILED internal.IntegrityError"


Cause = Callable[[ProjectFolder], AbstractContextManager[str]]
FAILURES: list[Cause] = [
    wrong_password_and_passphrase,
    held,
    sql_that_fails_on_a_value,
    cell_that_is_no_number,
    refused_oracle_login,
    database_that_refuses_a_line,
]


def check(project: ProjectFolder, *said: str) -> None:
    for text in said:
        assert PERSON.lower() not in text.lower()
        assert SECRET not in text.lower()
    assert people_in_wrong_places(project) == []
    assert secrets_in_any_place(project) == []


@pytest.mark.parametrize(
    "cause",
    # The run with the daemon is held and fails at its SQL too.
    some(FAILURES, refused_oracle_login, database_that_refuses_a_line),
    ids=lambda cause: cause.__name__,
)
def test_failed_or_held_run_leaves_no_secret_and_no_person(
    project: ProjectFolder, cause: Cause
) -> None:
    with cause(project) as reason:
        answer = project.run_dagster(*COMMAND)

    assert answer.code == 1
    assert reason in answer.err + answer.out
    check(project, answer.err, answer.out)


@pytest.mark.long
def test_good_run_keeps_people_to_extracts_exports_and_the_last_line(
    project: ProjectFolder, server: Sshd
) -> None:
    answer = project.run_dagster(*COMMAND)

    assert answer.code == 0, answer.err
    check(project, answer.err, answer.out)
    names = ("StaffData.txt", "P1ProfileBasic.csv")
    assert all(PERSON.encode() in (server.folder / n).read_bytes() for n in names)


@contextmanager
def running_daemon(project: ProjectFolder) -> Iterator[None]:
    """Dagster's daemon over the project, from the first tick of its sensor on."""
    for target in ("hr_records", "smartfind"):
        path = project.root / f"mappings/targets/{target}.yaml"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(x for x in lines if not x.startswith("schedule:")))
    program = Path(sys.executable).with_name("dagster-daemon")
    with (project.root / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                "run",
                "-m",
                "d118_pipelines.definitions",
                "--log-level",
                "debug",
            ],
            cwd=project.root,
            env=project.variables({"DAGSTER_HOME": str(project.root)}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: ticks(project) > 0)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ticks(project: ProjectFolder) -> int:
    path = project.root / ".dagster/storage/schedules/schedules.db"
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path)) as opened:
        statement = "SELECT count(*) FROM job_ticks WHERE status <> 'STARTED'"
        return int(opened.execute(statement).fetchone()[0])
    return 0


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 400
    while not is_so():
        assert time.monotonic() < end, "it did not happen within 400 s"
        time.sleep(0.1)


def test_alerts_of_the_daemon_hold_no_secret_and_no_person(
    project: ProjectFolder, httpserver: HTTPServer
) -> None:
    address = f"/{SECRET}token"
    for status in (200, 500):
        wanted = httpserver.expect_ordered_request(address, method="POST")
        wanted.respond_with_data("", status=status)
    project.environment["ALERT_WEBHOOK_URL"] = httpserver.url_for(address)
    # Nothing but what failed and what is held.
    project.edit("config/district.yaml", "alerts:\n", "alerts:\n  digest: null\n")
    (project.root / ".dagster").mkdir(mode=0o700, exist_ok=True)
    (project.root / ".dagster").chmod(0o700)
    project.deliver("smartfind")
    project.set_people(PEOPLE[6:])
    break_sql(project, "hr_records/people.sql", "street")
    log = project.root / "daemon.log"
    with running_daemon(project):
        answer = project.run_dagster(*COMMAND)
        wait_until(lambda: "could not be posted (HTTPStatusError)" in log.read_text())

    bodies = [request.get_data(as_text=True) for request, _ in httpserver.log]
    assert {json.loads(body)["kind"] for body in bodies} == {"failed", "held"}
    check(project, answer.err, answer.out, *bodies)
