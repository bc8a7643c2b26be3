"""`d118 upgrade`: a verified backup first, then the newer schema.

Called by `cli/upgrade.py`; the migration is in `state/schema.py`, the archive in
`backup.py`. Rules: docs/reference/backup.md.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.config.project import Project
from d118_pipelines.state import audit, database
from d118_pipelines.state.database import Database
from d118_pipelines.state.dumps import require_program
from d118_pipelines.state.engines import postgres_engine, sqlite_engine
from d118_pipelines.state.schema import MIGRATIONS, found_revision, newest_revision
from d118_pipelines.workflows.upkeep.backup import FOLDER, make_backup
from d118_pipelines.workflows.upkeep.district_folder import own_files


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade would do: schemas, and own files whose originals have changed."""

    before: str
    after: str
    changed_originals: tuple[str, ...]

    @property
    def is_needed(self) -> bool:
        """Whether there is a state, and it has an older schema."""
        return self.before not in ("", self.after)


def planned_upgrade(project: Project, *, migrations: Path = MIGRATIONS) -> Upgrade:
    """What `upgrade` will change; nothing is changed."""
    originals = [one.file for one in own_files(project.root) if one.shipped_changed]
    return Upgrade(_revision(project), newest_revision(migrations), tuple(originals))


def upgrade(
    project: Project,
    *,
    actor: str,
    now: dt.datetime,
    has_backup: bool = False,
    migrations: Path = MIGRATIONS,
) -> Path | None:
    """Back the state up where its schema is older, then migrate it; the backup's path.

    has_backup: somebody has made one. Raises: as `make_backup` and `database.upgrade`;
    the state is as it was then.
    """
    plan = planned_upgrade(project, migrations=migrations)
    saved = None
    if plan.is_needed and not has_backup:
        saved = _saved(project, now)
    file = project.home / "d118.sqlite"
    database.upgrade(file, migrations=migrations)
    if plan.is_needed:
        audit.record_alone(
            Database(file, migrations=migrations),
            now=now,
            actor=actor,
            action="upgraded",
            subject="state database",
            detail=f"backup {saved.name}" if saved else "without a backup",
            before=plan.before,
            after=plan.after,
        )
    return saved


def _revision(project: Project) -> str:
    url, file = os.environ.get("DATABASE_URL", ""), project.home / "d118.sqlite"
    if not url and not file.is_file():
        return ""
    engine = postgres_engine(url) if url else sqlite_engine(file)
    with engine.connect().execution_options(reads_only=True) as connection:
        return found_revision(connection)


def _saved(project: Project, now: dt.datetime) -> Path:
    # Of an older schema only the server's own dump knows the tables.
    if os.environ.get("DATABASE_URL"):
        require_program("pg_dump", "Make a backup by hand: d118 upgrade --no-backup")
    name = f"before-upgrade-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    return make_backup(project, project.folder(FOLDER) / name, now=now).path
