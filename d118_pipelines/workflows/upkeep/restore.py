"""A backup back into a folder: a copy that is locked until a person unlocks it.

Called by `cli/backup.py`; the archive is made and checked in `backup.py`, the lock is
in `state/restored.py`. Rules: docs/reference/backup.md.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.roster.model.tables import roster_revision
from d118_pipelines.state.copy import copy_state
from d118_pipelines.state.database import Database
from d118_pipelines.state.dumps import bring_back, require_empty
from d118_pipelines.state.restored import lock_copy
from d118_pipelines.state.run_history import FOLDER, run_history_url
from d118_pipelines.workflows.upkeep.backup import (
    DAGSTER,
    HISTORY_DUMP,
    HOME,
    ROOT,
    SECRETS,
    STATE,
    STATE_DUMP,
    URL,
    Backup,
    check_backup,
    is_one,
)
from d118_pipelines.workflows.upkeep.backup_secrets import opened_secrets


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. other: files of the folder that are not as in the backup and stay."""

    backup: Backup
    written: int
    other: tuple[str, ...]


def check_only(project: Project, path: Path) -> Backup:
    """Prove an archive in a temporary place. Raises: as `check_backup`."""
    with scratch_folder(project.folder("tmp")) as work:
        return check_backup(path, work / "check")


def restore(
    project: Project,
    path: Path,
    *,
    actor: str,
    now: dt.datetime,
    key_file: Path | None = None,
) -> Restored:
    """Bring an archive back and lock the copy; files that are there stay as they are.

    key_file: opens the secrets, which are written where they are missing.
    Raises: ConfigurationError if there is a state here already, or the key is wrong;
    otherwise as `check_backup`. Nothing is changed then.
    """
    file = project.home / "d118.sqlite"
    if file.exists():
        raise ConfigurationError(
            f"There is a state here already: {file}.",
            rule="A backup is restored where there is none, so that none is lost.",
            not_done="Nothing was restored.",
            next_step=f"Stop the services and move {project.home} away.",
        )
    with scratch_folder(project.folder("tmp")) as work:
        place = work / "check"
        found = check_backup(path, place)
        secrets = {}
        if key_file is not None and (place / SECRETS).is_file():
            secrets = opened_secrets((place / SECRETS).read_bytes(), key_file)
        dumps = list(_dumps(project, place, found))
        for url, variable in {(url, variable) for _, url, variable in dumps}:
            require_empty(url, variable)
        written, other = _bring(place / ROOT, project.root)
        written += _bring(place / HOME, project.home)[0]
        written += _bring(place / DAGSTER, project.root / FOLDER, "*.db")[0]
        for name, data in secrets.items():
            written += _write_secret(project.root / name, data)
        for dump, url, variable in dumps:
            bring_back(dump, url, variable)
        if (place / STATE).is_file():
            _bring_state(place / STATE, file)
    database = Database(file, upgrade=True)
    with database.transaction() as connection:
        lock_copy(connection, backup_at=found.made_at, actor=actor, now=now)
    return Restored(found, written + max(1, len(dumps)), tuple(other))


def _dumps(
    project: Project, place: Path, found: Backup
) -> Iterator[tuple[Path, str, str]]:
    """Each dump of the archive, the URL that it goes to and its variable."""
    url, history = os.environ.get(URL, ""), run_history_url(project.root)
    if (place / STATE_DUMP).is_file():
        if not url:
            raise _no_server("The state", f"Set {URL} to an empty database.")
        if found.is_shared and not (history and is_one(history[0], url)):
            raise _no_server(
                "The state, and the run history in the same database,",
                f"Set {URL} and DAGSTER_PG_URL to one empty database, as they were.",
            )
        yield place / STATE_DUMP, url, URL
    if (place / HISTORY_DUMP).is_file():
        if history is None:
            raise _no_server("Dagster's run history", "Set DAGSTER_HOME as it was.")
        yield place / HISTORY_DUMP, *history


def _no_server(what: str, next_step: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what} of this backup is from a PostgreSQL server.",
        rule="A dump goes into PostgreSQL only; d118 backup --portable makes an archive "
        "for either.",
        not_done="Nothing was restored.",
        next_step=f"{next_step} See docs/postgresql.md.",
    )


def _bring_state(copy: Path, file: Path) -> None:
    url = os.environ.get(URL, "")
    if not url:
        shutil.copyfile(copy, file)
        file.chmod(0o600)
        return
    source, target = Database(copy, "", upgrade=True), Database(file, url)
    tables = roster_revision.metadata.sorted_tables
    copy_state(source, target, tables, is_idle=False)


def _bring(source: Path, target: Path, which: str = "*") -> tuple[int, list[str]]:
    """Write what is missing; how many, and what is there with other contents."""
    written, other = 0, []
    for path in sorted(p for p in source.rglob(which) if p.is_file()):
        place = target / path.relative_to(source)
        if place.exists():
            if sha256_of(place) != sha256_of(path):
                other.append(path.relative_to(source).as_posix())
            continue
        for parent in reversed(place.parents):
            if not parent.exists():
                parent.mkdir(mode=0o700)
        shutil.copyfile(path, place)
        place.chmod(0o600)
        written += 1
    return written, other


def _write_secret(path: Path, data: bytes) -> int:
    if path.exists():
        return 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return 1
