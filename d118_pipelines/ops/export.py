"""Making an export: extracts, ledger and destination in, a stored plan out.

Belongs here: joining sources, targets and the database for one target. Assets and the
command line call it; it knows no Dagster.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.configuration import Project
from d118_pipelines.database import Database
from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.ops.destinations import (
    ResolvedDestination,
    refuse_demonstration,
    resolve,
)
from d118_pipelines.sources.extracts import Extract, find_extract
from d118_pipelines.stored_plans import Approval, StoredPlan, valid_approval
from d118_pipelines.targets.build import Export, build_export
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.ledger import (
    cycle_start,
    import_seed,
    parse_watermark,
    read_snapshot,
)
from d118_pipelines.targets.records import store_export

ACCOUNT_OF_DEMONSTRATION = "demonstration"


@dataclass(frozen=True, slots=True)
class MadeExport:
    """An export, its stored plan and the approval that releases it, if there is one."""

    export: Export
    plan: StoredPlan
    approval: Approval | None
    destination: ResolvedDestination


def state_database(project: Project) -> Database:
    """The state database of the project's `D118_HOME`."""
    return Database(project.home / "d118.sqlite")


def make_export(
    project: Project, target: Target, *, run_id: str, now: dt.datetime
) -> MadeExport:
    """Build the target's files from what this run extracted, else from the newest.

    Raises: IncompleteExtractError if an extract that the SQL reads was never made;
    ConfigurationError for a wrong definition or destination; ExportError for records
    without a unique key.
    """
    destination = resolve(project, target)
    extracts = {parts: _extract(project, parts, run_id) for parts in target.reads}
    demonstration = any(e.is_demonstration for e in extracts.values())
    refuse_demonstration(target, destination, demonstration=demonstration)
    database = state_database(project)
    if demonstration:
        _seed_demonstration(project, target, database, now)
    since = cycle_start(target.model.ledger, now, project.district().zone)
    with database.transaction() as connection:
        snapshot = read_snapshot(connection, target.name, destination.id, since=since)
    baseline = snapshot.baseline
    data_at = min((e.made_at for e in extracts.values()), default=now)
    folder = _new_folder(project, target, run_id, now)
    export = build_export(
        target,
        inputs={parts: extract.rows_file for parts, extract in extracts.items()},
        snapshot=snapshot,
        baseline_folder=project.home / baseline.folder if baseline else None,
        destination=destination.id,
        folder=folder,
        data_at=data_at,
        now=now,
    )
    with database.transaction() as connection:
        plan = store_export(
            connection,
            export,
            target=target.name,
            destination=destination.id,
            run_id=run_id,
            folder=str(folder.relative_to(project.home)),
            demonstration=demonstration,
            data_at=data_at,
            now=now,
        )
        approval = valid_approval(
            connection, target=target.name, plan_hash=plan.plan_hash, now=now
        )
    return MadeExport(export, plan, approval, destination)


def entity_folder(project: Project, parts: tuple[str, str, str]) -> Path:
    """Where the extracts of an asset lie."""
    return project.home.joinpath(*parts)


def _extract(project: Project, parts: tuple[str, str, str], run_id: str) -> Extract:
    found = find_extract(entity_folder(project, parts), run_id=run_id)
    if found is None:
        name = "/".join(parts)
        raise IncompleteExtractError(
            f"There is no complete extract {name} yet.",
            not_done="Nothing was exported.",
            next_step="Make it: dagster asset materialize -m d118_pipelines.definitions "
            f"--select 'key:\"{name}\"'",
        )
    return found


def _seed_demonstration(
    project: Project, target: Target, database: Database, now: dt.datetime
) -> None:
    """The demonstration district brings its own watermark; it is imported once."""
    watermark = project.home / "demo/powerschool/NewestDCID.txt"
    folder = os.environ.get("POWERSCHOOL_CSV_DIR")
    if folder:
        watermark = Path(folder) / "NewestDCID.txt"
    if target.model.ledger.seed == "none" or not watermark.is_file():
        return
    with database.transaction() as connection:
        if not read_snapshot(connection, target.name, "outbox", since=now).is_empty:
            return
        import_seed(
            connection,
            target=target.name,
            destination="outbox",
            newest_dcid=parse_watermark(watermark.read_text(encoding="utf-8")),
            now=now,
            account=ACCOUNT_OF_DEMONSTRATION,
        )


def _new_folder(
    project: Project, target: Target, run_id: str, now: dt.datetime
) -> Path:
    stamp = now.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S%fZ")
    return project.folder("exports", target.name, f"{stamp}-{run_id[:8]}")
