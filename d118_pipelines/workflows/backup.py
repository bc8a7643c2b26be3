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
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.config.secret_files import private_text
from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.roster.model.tables import roster_revision
from d118_pipelines.state import database as db
from d118_pipelines.state.copy import copy_state
from d118_pipelines.state.database import Database
from d118_pipelines.state.engines import sqlite_engine
from d118_pipelines.state.open import state_database
from d118_pipelines.state.run_history import FOLDER as HISTORY
from d118_pipelines.workflows.retention import kept_folders

MANIFEST, STATE, SECRETS = "manifest.json", "state/d118.sqlite", "secrets.fernet"
HOME, ROOT, DAGSTER = "home", "folder", "dagster"
"""Folders of the archive: below `D118_HOME`, the district's folder, Dagster's storage."""
FORMAT = 1
FOLDER = "backups"
"""Below `D118_HOME`, for archives that have no other place."""
_OF_THE_FOLDER = (
    *("config", "mappings", "sql", "deploy"),
    *("dagster.yaml", "workspace.yaml", "known_hosts", ".shipped.json"),
)
_SECRET = (".env", "*.pem", "*.key")


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified archive. files: name in the archive -> size and SHA-256.

    left_out: what is not in it, for a person.
    """

    path: Path
    made_at: dt.datetime
    version: str
    schema: str
    files: dict[str, dict[str, Any]]
    left_out: tuple[str, ...]
    size_bytes: int = 0

    @property
    def deliveries(self) -> int:
        """How many files of last deliveries and extracts are in it."""
        return sum(name.startswith(f"{HOME}/") for name in self.files)


def make_backup(
    project: Project, path: Path, *, now: dt.datetime, key_file: Path | None = None
) -> Backup:
    """Write the archive, readable by its owner alone, and verify it.

    key_file: a Fernet key outside the district's folder; without one, secrets are left
    out. Runs may be at work: the state is that of one moment.
    Raises: ConfigurationError for a bad key or an existing file; FatalError if what was
    written is not whole.
    """
    if path.exists():
        raise ConfigurationError(
            f"{path} exists already.", not_done="Nothing was made."
        )
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    with scratch_folder(project.folder("tmp")) as work:
        _copy_databases(project, work)
        left_out = (
            []
            if _has_sqlite_history(project)
            else [
                "Dagster's run history: it is on a PostgreSQL server. Back it up with pg_dump."
            ]
        )
        if key_file is None:
            left_out.append(
                "Secrets (.env, keys): give --secrets-key, or keep them apart."
            )
        else:
            sealed = _sealed(project.root, _key(project, key_file))
            (work / SECRETS).write_bytes(sealed)
        entries = dict(_entries(project, work, now))
        manifest = {
            "format": FORMAT,
            "version": version("d118_pipelines"),
            "made_at": now.isoformat(),
            "district": project.district().id,
            "schema": _schema(work / STATE),
            "left_out": left_out,
            "files": {
                name: {"size": f.stat().st_size, "sha256": sha256_of(f)}
                for name, f in sorted(entries.items())
            },
        }
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(partial, manifest, entries)
        made = check_backup(partial, work / "check")
        partial.replace(path)
    return replace(made, path=path)


def check_backup(path: Path, work: Path) -> Backup:
    """Unpack an archive into an empty folder and prove that it is whole.

    Every file has its SHA-256, the databases are sound, and the files of each last
    verified delivery are those that the ledger names.
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
    databases = [n for n in found if n == STATE or n.startswith(f"{DAGSTER}/")]
    bad += [n for n in databases if n not in bad and not _is_sound(work / n)]
    bad += [] if STATE in bad else _missing_sets(work)
    if bad:
        raise FatalError(
            f"FAILED backup.damaged  {path.name}: {len(bad)} of {len(files)} files are "
            f"missing, changed or unsound, as {bad[0]}.",
            not_done="Nothing was restored.",
            next_step="Take another one.",
        )
    at = dt.datetime.fromisoformat(manifest["made_at"])
    told = manifest["version"], manifest["schema"], files, tuple(manifest["left_out"])
    return Backup(path, at, *told, path.stat().st_size)


def _copy_databases(project: Project, work: Path) -> None:
    copy = work / STATE
    copy.parent.mkdir(mode=0o700)
    if os.environ.get("DATABASE_URL"):
        tables = roster_revision.metadata.sorted_tables
        copy_state(state_database(project), Database(copy, ""), tables, is_idle=False)
        _as_one_file(copy)
    else:
        _copy_sqlite(project.home / "d118.sqlite", copy)
    storage = project.root / HISTORY
    for path in storage.rglob("*.db"):
        _copy_sqlite(path, work / DAGSTER / path.relative_to(storage))


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


def _has_sqlite_history(project: Project) -> bool:
    return any((project.root / HISTORY).rglob("*.db"))


def _entries(
    project: Project, work: Path, now: dt.datetime
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
    with _reading(work / STATE) as connection:
        folders = set(kept_folders(project, connection, longest))
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield f"{HOME}/{path.relative_to(project.home).as_posix()}", path
    inbox = project.home / "inbox"
    for path in inbox.glob("*/*"):  # what nobody has read yet
        if path.is_file():
            yield f"{HOME}/{path.relative_to(project.home).as_posix()}", path


def _reading(path: Path) -> sa.Connection:
    return sqlite_engine(path).connect().execution_options(reads_only=True)


def _schema(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT version_num FROM d118_alembic_version"
        return str(connection.execute(query).fetchone()[0])


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
            archive.add(source, name, recursive=False, filter=_plain)
        archive.close()
        file.flush()
        os.fsync(file.fileno())


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the account of this machine; readable by the owner alone."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _missing_sets(work: Path) -> list[str]:
    """Files of last deliveries that are in the archive but not as the ledger has them."""
    d = db.deliveries.c
    newest = sa.select(sa.func.max(d.number)).where(d.status.in_(db.COUNTS))
    last = newest.group_by(d.target, d.destination)
    bad = []
    with _reading(work / STATE) as connection:
        for folder, files in connection.execute(
            sa.select(d.folder, d.files).where(d.number.in_(last))
        ):
            place = work / HOME / folder
            for file in files if place.is_dir() else []:
                path = place / file["name"]
                if not path.is_file() or sha256_of(path) != file["sha256"]:
                    bad.append(f"{HOME}/{folder}/{file['name']}")
    return bad


def _key(project: Project, path: Path) -> bytes:
    """The key of the file. Raises: ConfigurationError if the archive could hold it."""
    if path.resolve().is_relative_to(project.root.resolve()):
        raise ConfigurationError(
            f"The key {path} is in the district's folder.",
            rule="Whoever has the archive must not have its key.",
            not_done="No backup was made.",
            next_step="Keep it elsewhere, and a copy of it outside this machine.",
        )
    return private_text(path).strip().encode("ascii")


def _sealed(root: Path, key: bytes) -> bytes:
    """The files with secrets as one encrypted tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in sorted({f for pattern in _SECRET for f in root.glob(pattern)}):
            if path.is_file():
                archive.add(path, path.name, recursive=False, filter=_plain)
    return bytes(_fernet(key).encrypt(data.getvalue()))


def opened_secrets(sealed: bytes, key_file: Path) -> dict[str, bytes]:
    """File name -> contents. Raises: ConfigurationError if the key does not open it."""
    from cryptography.fernet import InvalidToken

    try:
        data = _fernet(private_text(key_file).strip().encode("ascii")).decrypt(sealed)
    except InvalidToken:
        raise ConfigurationError(
            f"The key {key_file} does not open the secrets of this backup.",
            not_done="Nothing was restored.",
            next_step="Give the key that --secrets-key named when it was made.",
        ) from None
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            if file is not None and Path(entry.name).name == entry.name:
                found[entry.name] = file.read()
    return found


def _fernet(key: bytes) -> Any:
    from cryptography.fernet import Fernet

    try:
        return Fernet(key)
    except ValueError:
        raise ConfigurationError(
            "The file of --secrets-key has no key in it.",
            rule="A key is 32 bytes in URL-safe base64.",
            not_done="Nothing was done.",
            next_step="Make one: d118 secrets new-key",
        ) from None
