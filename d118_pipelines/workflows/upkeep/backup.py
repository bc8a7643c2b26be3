"""One archive of everything a district cannot make again, and the proof that it is whole.

Called by `cli/backup.py` and `d118 upgrade`; `restore.py` reads it. What is in it:
docs/reference/backup.md.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.roster.model.tables import roster_revision
from d118_pipelines.state import database as db
from d118_pipelines.state.copy import copy_state
from d118_pipelines.state.database import Database
from d118_pipelines.state.dumps import dump, found_program, is_sound_dump, moment_of
from d118_pipelines.state.engines import normalised
from d118_pipelines.state.open import state_database
from d118_pipelines.state.run_history import FOLDER as HISTORY
from d118_pipelines.state.run_history import run_history_url
from d118_pipelines.state.schema import found_revision
from d118_pipelines.workflows.upkeep.backup_secrets import plain_entry, sealed_secrets
from d118_pipelines.workflows.upkeep.retention import kept_folders

MANIFEST, STATE, SECRETS = "manifest.json", "state/d118.sqlite", "secrets.fernet"
STATE_DUMP, HISTORY_DUMP = "state/d118.dump", "dagster/history.dump"
"""In place of SQLite's files; one that names both databases is the state's."""
URL = "DATABASE_URL"
HOME, ROOT, DAGSTER = "home", "folder", "dagster"
"""Folders of the archive: below `D118_HOME`, the district's folder, Dagster's storage."""
FORMAT = 1
FOLDER = "backups"
"""Below `D118_HOME`, for archives that have no other place."""
_OF_THE_FOLDER = (
    *("config", "mappings", "sql", "deploy"),
    *("dagster.yaml", "workspace.yaml", "known_hosts", ".shipped.json"),
)


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified archive. files: name in the archive -> size and SHA-256.

    left_out: what is not in it, for a person. is_shared: Dagster's run history is in
    the state's dump.
    """

    path: Path
    made_at: dt.datetime
    version: str
    schema: str
    files: dict[str, dict[str, Any]]
    left_out: tuple[str, ...]
    is_shared: bool
    size_bytes: int = 0

    @property
    def deliveries(self) -> int:
        """How many files of last deliveries and extracts are in it."""
        return sum(name.startswith(f"{HOME}/") for name in self.files)


def make_backup(
    project: Project,
    path: Path,
    *,
    now: dt.datetime,
    key_file: Path | None = None,
    is_portable: bool = False,
) -> Backup:
    """Write the archive, readable by its owner alone, and verify it.

    key_file: a Fernet key outside the district's folder; without one, secrets are left
    out. is_portable: a state on PostgreSQL is copied into a SQLite file, for a machine
    without a server; so it is where pg_dump is not installed. Runs may be at work: the
    state is that of one moment.
    Raises: ConfigurationError for a bad key or an existing file; FatalError if what was
    written is not whole.
    """
    if path.exists():
        raise ConfigurationError(
            f"{path} exists already.", not_done="Nothing was made."
        )
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    left_out: list[str] = []
    with scratch_folder(project.folder("tmp")) as work, ExitStack() as stack:
        is_dumped = not is_portable and found_program("pg_dump") is not None
        is_shared = _copy_history(project, work, is_dumped, left_out)
        state = stack.enter_context(_copied_state(project, work, is_dumped))
        if key_file is None:
            left_out.append(
                "Secrets (.env, keys): give --secrets-key, or keep them apart."
            )
        else:
            sealed = sealed_secrets(project.root, key_file)
            (work / SECRETS).write_bytes(sealed)
        entries = dict(_entries(project, work, state, now))
        manifest = {
            "format": FORMAT,
            "version": version("d118_pipelines"),
            "made_at": now.isoformat(),
            "district": project.district().id,
            "schema": found_revision(state),
            "left_out": left_out,
            "is_shared": is_shared,
            "files": {
                name: {"size": f.stat().st_size, "sha256": sha256_of(f)}
                for name, f in sorted(entries.items())
            },
        }
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(partial, manifest, entries)
        made = check_backup(partial, work / "check", state)
        partial.replace(path)
    return replace(made, path=path)


def check_backup(path: Path, work: Path, state: sa.Connection | None = None) -> Backup:
    """Unpack an archive into an empty folder and prove that it is whole.

    Every file has its SHA-256, the databases are sound, and the files of each last
    verified delivery are those that the ledger names. state: the one that was dumped; a
    dump alone does not tell its ledger.
    Raises: ConfigurationError if it is no archive of ours; FatalError if it is damaged.
    """
    work.mkdir(mode=0o700)
    try:
        with tarfile.open(path, "r:gz") as archive:
            archive.extractall(work, filter="data")
        manifest = json.loads((work / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
        if manifest["format"] != FORMAT:
            raise KeyError("format")
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError) as exc:
        raise ConfigurationError(
            f"{path} is no backup of d118, or is damaged ({type(exc).__name__}).",
            not_done="Nothing was restored.",
            next_step="Take another one.",
        ) from None
    found = {f.relative_to(work).as_posix() for f in work.rglob("*") if f.is_file()} - {
        MANIFEST
    }
    bad = sorted(found ^ files.keys())
    bad += [
        n for n in found & files.keys() if sha256_of(work / n) != files[n]["sha256"]
    ]
    databases = [n for n in found if n.startswith(("state/", f"{DAGSTER}/"))]
    bad += [n for n in databases if n not in bad and not _is_sound(work / n)]
    if state is not None:
        bad += _missing_sets(work, state)
    elif STATE in found and STATE not in bad:
        with _reading(work / STATE) as connection:
            bad += _missing_sets(work, connection)
    if bad:
        raise FatalError(
            f"FAILED backup.damaged  {path.name}: {len(bad)} of {len(files)} files are "
            f"missing, changed or unsound, as {bad[0]}.",
            not_done="Nothing was restored.",
            next_step="Take another one.",
        )
    at = dt.datetime.fromisoformat(manifest["made_at"])
    told = manifest["version"], manifest["schema"], files, tuple(manifest["left_out"])
    return Backup(path, at, *told, manifest["is_shared"], path.stat().st_size)


@contextmanager
def _copied_state(
    project: Project, work: Path, is_dumped: bool
) -> Iterator[sa.Connection]:
    """The state as it was when it was copied into `work`."""
    url, copy = os.environ.get(URL, ""), work / STATE
    if url and is_dumped:
        with moment_of(url, URL) as (connection, moment):
            dump(url, URL, work / STATE_DUMP, moment=moment)
            yield connection
        return
    if url:
        copy.parent.mkdir(mode=0o700)
        tables = roster_revision.metadata.sorted_tables
        copy_state(state_database(project), Database(copy, ""), tables, is_idle=False)
        _as_one_file(copy)
    else:
        _copy_sqlite(project.home / "d118.sqlite", copy)
    with _reading(copy) as connection:
        yield connection


def _copy_history(
    project: Project, work: Path, is_dumped: bool, left_out: list[str]
) -> bool:
    """Whether the run history is in the state's dump; otherwise it is copied into `work`."""
    found = run_history_url(project.root)
    storage = project.root / HISTORY
    if found is None:
        for path in storage.rglob("*.db"):
            _copy_sqlite(path, work / DAGSTER / path.relative_to(storage))
    elif not is_dumped:
        left_out.append(
            "Dagster's run history: it is on a PostgreSQL server, and pg_dump was not used."
        )
    elif is_one(found[0], os.environ.get(URL, "")):
        return True
    else:
        dump(*found, work / HISTORY_DUMP)
    return False


def is_one(url: str, other: str) -> bool:
    """Whether both name one database."""
    if not other:
        return False
    one, two = normalised(url), normalised(other)
    same = ("host", "port", "database")
    return all(getattr(one, part) == getattr(two, part) for part in same) and (
        one.query.get("host") == two.query.get("host")
    )


def _copy_sqlite(path: Path, to: Path) -> None:
    """A SQLite file as it is at one moment, whoever writes to it."""
    if not path.is_file():
        raise ConfigurationError(
            f"There is no {path}.",
            not_done="No backup was made.",
            next_step="Nothing ran here yet: d118 doctor",
        )
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(to)) as new:
        old.backup(new)
    _as_one_file(to)


def _as_one_file(path: Path) -> None:
    """Without a log beside it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _entries(
    project: Project, work: Path, state: sa.Connection, now: dt.datetime
) -> Iterator[tuple[str, Path]]:
    """Name in the archive and file; the copies in `work` are chosen first."""
    for path in work.rglob("*"):
        if path.is_file():
            yield path.relative_to(work).as_posix(), path
    for name in _OF_THE_FOLDER:
        place = project.root / name
        for path in place.rglob("*") if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{ROOT}/{path.relative_to(project.root).as_posix()}", path
    longest = now - dt.timedelta(days=project.district().retention.inactive_days)
    for folder in set(kept_folders(project, state, longest)):
        for path in folder.rglob("*"):
            if path.is_file():
                yield f"{HOME}/{path.relative_to(project.home).as_posix()}", path
    inbox = project.home / "inbox"
    for path in inbox.glob("*/*"):  # what nobody has read yet
        if path.is_file():
            yield f"{HOME}/{path.relative_to(project.home).as_posix()}", path


def _reading(path: Path) -> sa.Connection:
    """A reader that leaves the file, and what lies beside it, as it is."""
    url = f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true"
    return sa.create_engine(url, poolclass=sa.NullPool).connect()


def _write(path: Path, manifest: dict[str, Any], entries: dict[str, Path]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive,
    ):
        text = json.dumps(manifest, indent=2).encode("utf-8")
        first = tarfile.TarInfo(MANIFEST)
        first.size = len(text)
        archive.addfile(first, io.BytesIO(text))
        for name, source in sorted(entries.items()):
            archive.add(source, name, recursive=False, filter=plain_entry)
        archive.close()
        file.flush()
        os.fsync(file.fileno())


def _is_sound(path: Path) -> bool:
    if path.suffix == ".dump":
        return is_sound_dump(path)
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _missing_sets(work: Path, state: sa.Connection) -> list[str]:
    """Files of last deliveries that are in the archive but not as the ledger has them."""
    d = db.deliveries.c
    newest = sa.select(sa.func.max(d.number)).where(d.status.in_(db.COUNTS))
    last = newest.group_by(d.target, d.destination)
    bad = []
    query = sa.select(d.folder, d.files).where(d.number.in_(last))
    for folder, files in state.execute(query):
        place = work / HOME / folder
        for file in files if place.is_dir() else []:
            path = place / file["name"]
            if not path.is_file() or sha256_of(path) != file["sha256"]:
                bad.append(f"{HOME}/{folder}/{file['name']}")
    return bad
