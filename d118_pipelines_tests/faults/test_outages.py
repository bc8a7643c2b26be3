"""Outages by name: database gone, disk full, no permission, connection lost.

Each has its own message and exit code, never `internal`, and the next start closes what
was left open. Rule: docs/reference/outages.md.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d118_pipelines.errors import (
    ConnectionLostError,
    D118Error,
    DatabaseGoneError,
    DiskFullError,
    PermissionDeniedError,
)
from d118_pipelines.kernel.outages import outage_of
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support import postgres
from d118_pipelines_tests.support.project import Answer, ProjectFolder

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1
SMALL_BYTES = 6_000
"""Less than the extract, more than what a run writes before it."""


def obey_permissions() -> None:
    """In a child: root, too, must not write where the mode forbids it."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def no_room() -> None:
    """In a child: no file can become larger, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_BYTES, SMALL_BYTES))


def answer(
    project: ProjectFolder, *args: str, before: Callable[[], None], **more: str
) -> Answer:
    """`d118 ARGS` as a process that calls `before` first."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("d118")), *args],
        cwd=project.root,
        env=project.variables(more),
        capture_output=True,
        text=True,
        preexec_fn=before,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def is_clean(answer: Answer) -> bool:
    """Whether nothing frightens: no stack, nothing to report."""
    return not any(w in answer.err for w in ("Traceback", "internal", "report this"))


@pytest.fixture
def outbox(project: ProjectFolder) -> Iterator[Path]:
    """The folder that a delivery writes to."""
    folder = project.home / "outbox/hr_records"
    yield folder
    folder.chmod(0o700)


@pytest.mark.long
@pytest.mark.real
def test_a_missing_permission_is_7_and_the_next_run_goes_on(
    project: ProjectFolder, outbox: Path
) -> None:
    project.set_people(PEOPLE[1:])
    outbox.chmod(0o500)

    refused = answer(project, "run", "hr_records", before=obey_permissions)
    outbox.chmod(0o700)

    assert refused.code == 7, refused.err
    assert "Could not write StaffData.txt.part: Permission denied" in refused.err
    assert is_clean(refused), refused.err
    assert project.rows(db.sync_leases) == []
    assert project.d118("run", "hr_records").code == 0
    assert "started" not in {row.status for row in project.rows(db.deliveries)}


@pytest.mark.long
@pytest.mark.real
def test_a_full_disk_is_6_and_nothing_is_left_open(project: ProjectFolder) -> None:
    before = len(project.rows(db.deliveries))

    refused = answer(project, "preview", "hr_records", before=no_room)

    assert refused.code == 6, refused.err
    assert "The disk is full" in refused.err
    assert is_clean(refused), refused.err
    assert len(project.rows(db.deliveries)) == before
    assert project.d118("preview", "hr_records").code == 0


@pytest.mark.real
def test_a_stopped_database_is_5(project: ProjectFolder) -> None:
    programs = postgres.find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    server = postgres.Server(programs)
    url = server.url("postgres")
    database = Database(Path("unused"), url)
    server.stop()

    with pytest.raises(DatabaseGoneError) as caught, database.transaction():
        pass
    refused = project.d118("status", DATABASE_URL=url)

    assert "The state database does not answer." in str(caught.value)
    assert refused.code == 5, refused.err
    assert is_clean(refused), refused.err
    assert "Check that the server runs" in refused.err


@pytest.mark.real
def test_a_connection_that_the_server_closes_is_8() -> None:
    database = Database(Path("unused"), postgres.empty_database())

    with pytest.raises(ConnectionLostError) as caught, database.transaction() as one:
        pid = one.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        postgres.server().execute(f"SELECT pg_terminate_backend({pid})")
        one.exec_driver_sql("SELECT 1")

    assert "was lost" in str(caught.value)
    assert caught.value.exit_code == 8


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (OSError(errno.ENOSPC, "x"), DiskFullError),
        (OSError(errno.EDQUOT, "x"), DiskFullError),
        (OSError(errno.EROFS, "x"), PermissionDeniedError),
        (PermissionError(errno.EACCES, "x"), PermissionDeniedError),
        (ConnectionResetError(errno.ECONNRESET, "x"), ConnectionLostError),
    ],
    ids=lambda value: getattr(value, "__name__", "") or errno.errorcode[value.errno],
)
def test_an_outage_has_the_name_of_its_number(
    exc: OSError, kind: type[D118Error]
) -> None:
    assert type(outage_of(exc)) is kind


@pytest.mark.parametrize(
    "exc", [FileNotFoundError(errno.ENOENT, "x"), BrokenPipeError(), ValueError("x")]
)
def test_what_is_no_outage_stays_what_it_is(exc: Exception) -> None:
    assert outage_of(exc) is None


def test_every_outage_has_its_own_exit_code() -> None:
    kinds = DatabaseGoneError, DiskFullError, PermissionDeniedError, ConnectionLostError

    assert [kind.exit_code for kind in kinds] == [5, 6, 7, 8]
