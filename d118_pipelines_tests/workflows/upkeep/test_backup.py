"""A backup and what comes of it: proven whole, restored as a copy that is locked."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.config.secrets import new_key
from d118_pipelines.delivery.folder import FolderRemote
from d118_pipelines.errors import HeldError, PausedError
from d118_pipelines.state import database as db
from d118_pipelines.state.audit import entries
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.targets.deliver import resend_last
from d118_pipelines.workflows.targets.deliveries import file_set_of
from d118_pipelines.workflows.targets.file_set import FileSet
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.templates import new_state

SERVER = "sftp-1"
PASSWORD = "canary-password"
REASON = ("--reason", "the server was looked at")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """A district that has delivered to a server, here a folder, and has secrets."""
    project = ProjectFolder(tmp_path_factory.mktemp("before") / "project", PEOPLE)
    new_state(project.home / "d118.sqlite")
    project.deliver("hr_records")
    project.change_state(db.deliveries.update().values(destination=SERVER))
    for name in (".env", "private.pem"):
        (project.root / name).write_text(f"X={PASSWORD}\n", encoding="utf-8")
        (project.root / name).chmod(0o600)
    (project.root / "config/own.yaml").write_text("own: 1\n", encoding="utf-8")
    history = project.root / ".dagster/storage"
    history.mkdir(parents=True)
    with sqlite3.connect(history / "runs.db") as connection:
        connection.execute("CREATE TABLE runs AS SELECT 'r1' AS id")
    return project


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "backup.key"
    path.write_text(new_key(), encoding="ascii")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def archive(before: ProjectFolder, key: Path) -> Path:
    """Its backup."""
    path = before.root.parent / "backup.tar.gz"
    made = before.d118("backup", str(path), "--secrets-key", str(key), "--json")
    assert made.code == 0, made.err
    return path


@pytest.fixture
def after(archive: Path, key: Path, tmp_path: Path) -> ProjectFolder:
    """Another machine, with the backup restored."""
    other = ProjectFolder(tmp_path / "project", PEOPLE)
    done = other.d118("restore", str(archive), "--secrets-key", str(key))
    assert done.code == 0, done.err
    assert "This copy is locked" in done.out
    return other


def way_of(project: ProjectFolder, server: Path) -> FileSet:
    """The target's way to the server, which is a folder here."""
    way = file_set_of(project.project, project.target("hr_records"))
    place = replace(
        way.destination,
        id=SERVER,
        is_outbox=False,
        connect=lambda: FolderRemote(server),
    )
    return replace(way, destination=place)


@pytest.fixture
def server(before: ProjectFolder, tmp_path: Path) -> Path:
    """What the vendor's server holds: the files of the last delivery."""
    return Path(shutil.copytree(before.home / "outbox/hr_records", tmp_path / "server"))


def test_a_backup_holds_what_cannot_be_made_again_and_no_secret(
    before: ProjectFolder, archive: Path
) -> None:
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
        held = b"".join(
            file.read() for entry in tar if (file := tar.extractfile(entry)) is not None
        )

    assert {"state/d118.sqlite", "dagster/storage/runs.db", "secrets.fernet"} <= names
    assert {"folder/config/own.yaml", "folder/dagster.yaml"} <= names
    assert any(n.startswith("home/exports/hr_records/") for n in names)
    assert any(n.startswith("home/raw/powerschool/hr_records_staff/") for n in names)
    assert not [n for n in names if n.endswith((".env", ".pem"))]
    assert PASSWORD.encode() not in held
    assert archive.stat().st_mode & 0o777 == 0o600
    with state_database(before.project).reading() as connection:
        [row] = entries(connection, action="backup made")
    assert (row["object"], len(row["hash_after"])) == (archive.name, 64)


def test_a_key_in_the_folder_or_open_to_others_is_refused(
    before: ProjectFolder, key: Path, tmp_path: Path
) -> None:
    inside = before.root / "backup.key"
    shutil.copy(key, inside)
    open_key = tmp_path / "open.key"
    shutil.copy(key, open_key)
    open_key.chmod(0o644)

    for path, says in (
        (inside, "is in the district's folder"),
        (open_key, "chmod 600"),
    ):
        file = str(tmp_path / "b.tar.gz")
        told = before.d118("backup", file, "--secrets-key", str(path))
        assert (told.code, says in told.err) == (2, True), told.err
        assert not Path(file).exists()
    inside.unlink()


def test_a_check_proves_the_archive_and_leaves_nothing(
    before: ProjectFolder, archive: Path
) -> None:
    files = sorted(before.home.rglob("*"))

    told = before.d118("restore", str(archive), "--check")

    assert told.code == 0
    assert "is whole" in told.out
    assert sorted(before.home.rglob("*")) == files


@pytest.mark.parametrize("damage", ["byte", "cut", "swapped"])
def test_a_damaged_archive_is_named_and_restores_nothing(
    archive: Path, tmp_path: Path, damage: str
) -> None:
    bad = tmp_path / "bad.tar.gz"
    data = bytearray(archive.read_bytes())
    if damage == "byte":
        data[len(data) // 2] ^= 0xFF
        bad.write_bytes(data)
    elif damage == "cut":
        bad.write_bytes(data[: len(data) // 2])
    else:
        with tarfile.open(archive) as old, tarfile.open(bad, "w:gz") as new:
            for entry in old:
                file = old.extractfile(entry)
                if entry.name.endswith("StaffData.txt"):
                    entry.size = 0
                new.addfile(entry, file)
    other = ProjectFolder(tmp_path / "project", PEOPLE)

    for more in (("--check",), ()):
        told = other.d118("restore", str(bad), *more)
        assert told.code in (1, 2)
        assert "damaged" in told.err
        assert "Nothing was restored" in told.err
    assert not (other.home / "d118.sqlite").exists()


@pytest.mark.long
def test_a_restored_copy_sends_nothing_until_it_is_unlocked(
    after: ProjectFolder, server: Path
) -> None:
    with after.entered(), pytest.raises(PausedError, match="LOCKED"):
        resend_last(way_of(after, server), run_id="r1")
    told = after.d118("run", "hr_records")
    assert "LOCKED  This copy was restored" in told.err
    assert "d118 unlock" in told.err
    assert after.d118("resume", "--all").code == 0
    assert after.d118("run", "hr_records").code == told.code != 0

    assert after.d118("unlock").code == 0

    with after.entered():
        sent = resend_last(way_of(after, server), run_id="r2")
    assert sent.status == "verified"
    assert after.rows(db.uncompared) == []
    with state_database(after.project).reading() as connection:
        told_of = [row["action"] for row in entries(connection, limit=3)]
    assert told_of == ["sent again", "compared", "unlocked"]


@pytest.mark.parametrize("change", ["newer", "gone"])
def test_a_server_that_holds_something_else_holds_the_first_delivery(
    after: ProjectFolder, server: Path, change: str
) -> None:
    after.d118("unlock")
    file = server / "StaffData.txt"
    if change == "newer":
        file.write_bytes(file.read_bytes() + b"one more\r\n")
    else:
        file.unlink()

    with (
        after.entered(),
        pytest.raises(HeldError, match=r"restored\.not_compared") as held,
    ):
        resend_last(way_of(after, server), run_id="r1")

    assert "StaffData.txt" in str(held.value)
    assert after.d118("unlock", "hr_records").code == 2  # a reason is missing
    assert after.d118("unlock", "hr_records", *REASON).code == 0
    with after.entered():
        assert resend_last(way_of(after, server), run_id="r2").status == "verified"


def test_what_came_back_is_what_was_there(
    before: ProjectFolder, after: ProjectFolder
) -> None:
    for table in (db.deliveries, db.delivery_ledger, db.plans, db.findings):
        assert after.rows(table) == before.rows(table)
    own = after.root / "config/own.yaml"
    assert own.read_text(encoding="utf-8") == "own: 1\n"
    for name in (".env", "private.pem"):
        path = after.root / name
        assert path.read_text(encoding="utf-8") == f"X={PASSWORD}\n"
        assert path.stat().st_mode & 0o777 == 0o600
    assert (after.root / ".dagster/storage/runs.db").is_file()
    modes = {p.stat().st_mode & 0o077 for p in after.home.rglob("*")}
    assert modes == {0}


def test_a_state_that_is_there_is_not_replaced(
    before: ProjectFolder, archive: Path
) -> None:
    rows = before.rows(db.audit_log)

    told = before.d118("restore", str(archive))

    assert told.code == 2
    assert "There is a state here already" in told.err
    assert before.rows(db.audit_log) == rows


@pytest.fixture
def url() -> Iterator[str]:
    yield from new_database()


@pytest.mark.long
@pytest.mark.real
def test_a_backup_moves_between_the_two_engines(
    before: ProjectFolder, archive: Path, url: str, tmp_path: Path
) -> None:
    other = ProjectFolder(tmp_path / "project", PEOPLE)
    other.environment["DATABASE_URL"] = url
    assert other.d118("restore", str(archive)).code == 0
    second = tmp_path / "second.tar.gz"
    assert other.d118("backup", str(second), "--portable").code == 0

    third = ProjectFolder(tmp_path / "third", PEOPLE)
    assert third.d118("restore", str(second)).code == 0

    assert os.environ.get("DATABASE_URL") is None
    for table in (db.deliveries, db.delivery_ledger, db.plans, db.findings):
        assert third.rows(table) == before.rows(table)
