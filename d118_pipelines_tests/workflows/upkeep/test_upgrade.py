"""An upgrade makes a verified backup first, and says what it did."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.audit import entries
from d118_pipelines.state.database import Database
from d118_pipelines.state.open import state_database
from d118_pipelines.state.schema import MIGRATIONS, newest_revision
from d118_pipelines.workflows.upkeep.upgrade import planned_upgrade, upgrade
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.project import ProjectFolder

LATER = '''"""A later one."""
from alembic import op
revision, down_revision = "0999", "{before}"


def upgrade() -> None:
    op.get_bind().exec_driver_sql("{statement}")
'''


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.real, pytest.mark.long]),
    ]
)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProjectFolder]:
    """A project with a state of this version."""
    made = ProjectFolder(tmp_path / "project", PEOPLE)
    for url in new_database() if request.param == "postgresql" else [""]:
        made.environment["DATABASE_URL"] = url
        with made.entered():
            state_database(made.project)
            yield made


def migrations(folder: Path, statement: str) -> Path:
    """Those of a later version, whose last one runs the statement."""
    copy = Path(shutil.copytree(MIGRATIONS, folder / "migrations"))
    before = newest_revision(MIGRATIONS)
    text = LATER.format(before=before, statement=statement)
    (copy / "versions/v0999_later.py").write_text(text, encoding="utf-8")
    return copy


def test_an_upgrade_makes_a_backup_first_and_is_audited(
    project: ProjectFolder, tmp_path: Path
) -> None:
    later = migrations(tmp_path, "CREATE TABLE later (id TEXT)")
    plan = planned_upgrade(project.project, migrations=later)
    assert (plan.is_needed, plan.after) == (True, "0999")

    saved = upgrade(project.project, actor="ann", now=utc_now(), migrations=later)

    assert saved is not None
    assert saved.stat().st_size > 1000
    assert saved.stat().st_mode & 0o777 == 0o600
    file = project.home / "d118.sqlite"
    with Database(file, migrations=later).reading() as connection:
        [row] = entries(connection, action="upgraded")
    assert (row["hash_before"], row["hash_after"]) == (plan.before, "0999")
    assert row["detail"] == f"backup {saved.name}"
    if saved.suffix == ".gz":
        told = project.d118("restore", str(saved), "--check")
        assert told.code == 0, told.err
    again = upgrade(project.project, actor="ann", now=utc_now(), migrations=later)
    assert again is None  # nothing to do, so no backup


def test_without_a_backup_nothing_is_migrated(
    project: ProjectFolder, tmp_path: Path
) -> None:
    later = migrations(tmp_path, "CREATE TABLE later (id TEXT)")
    backups = project.home / "backups"
    backups.parent.mkdir(exist_ok=True)
    backups.write_text("in the way", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="backups"):
        upgrade(project.project, actor="ann", now=utc_now(), migrations=later)

    assert planned_upgrade(project.project, migrations=later).is_needed


def test_a_state_that_is_new_needs_no_backup(project: ProjectFolder) -> None:
    told = project.d118("upgrade")

    assert told.code == 0
    assert "Nothing to do" in told.out
    assert not (project.home / "backups").exists()
