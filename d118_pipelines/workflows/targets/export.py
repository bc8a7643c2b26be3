"""Making an export: extracts, ledger and destination in, a stored plan out.

Called by `assets/exports.py` and `d118 preview`; what it is made from is found in
`export_inputs.py`, the files are built in `targets/build.py`.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.after_commit import Warn, after_commit, log_warning
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.kernel.finding import Finding
from d118_pipelines.kernel.run_folders import run_folder_name
from d118_pipelines.state.database import Database
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import Approval, StoredPlan, valid_approval
from d118_pipelines.targets.build import Export, ReadBack, build_export
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.ledger import (
    cycle_start,
    import_seed,
    parse_watermark,
    read_snapshot,
)
from d118_pipelines.targets.records import plan_of, store_export
from d118_pipelines.workflows.runs.run_events import RunEvent, tell_event
from d118_pipelines.workflows.targets.autocomm import not_picked_up
from d118_pipelines.workflows.targets.deliver import Delivery
from d118_pipelines.workflows.targets.deliveries import delivery_of
from d118_pipelines.workflows.targets.destinations import (
    Destination,
    refuse_demonstration,
)
from d118_pipelines.workflows.targets.export_inputs import gather

ACCOUNT_OF_DEMONSTRATION = "demonstration"


@dataclass(frozen=True, slots=True)
class MadeExport:
    """An export, its stored plan and the approval that releases it, if there is one.

    read_from: what it was made from, and how old that is, for a person.
    """

    export: Export
    plan: StoredPlan
    approval: Approval | None
    destination: Destination
    read_from: str


def make_export(
    project: Project,
    target: Target,
    *,
    run_id: str,
    now: dt.datetime,
    warn: Warn = log_warning,
) -> MadeExport | None:
    """Build the target's files from what this run extracted, else from the newest.

    The caller holds the target's lease. warn: is told of what could not be removed.
    Returns None out of term: a plan says so, and nothing can be sent.
    Raises: IncompleteExtractError if an extract that the SQL reads was never made;
    ConfigurationError for a wrong definition or destination; ExportError for records
    without a unique key.
    """
    way, database = delivery_of(project, target), state_database(project)
    folder = _new_folder(project, target, run_id, now)
    export, plan, read = _built(way, folder, run_id, now, seeds=True, warn=warn)
    with database.transaction() as connection:
        store_export(connection, export, plan)
        approval = valid_approval(
            connection, target=target.name, plan_hash=plan.plan_hash, now=now
        )
        broken = next((rule for rule in plan.rules if not rule.passed), None)
        status = {"held": "HELD", "failed": "FAILURE"}.get(plan.verdict)
        if status and broken and not approval:
            error = f"{broken.code}: {broken.message}"
            ended = RunEvent(target.name, run_id, status, is_target=True, error=error)
            tell_event(connection, project, target.model, ended)
    if export is None:
        return None
    return MadeExport(export, plan, approval, way.destination, read)


@contextmanager
def preview_export(
    project: Project, target: Target, *, now: dt.datetime
) -> Iterator[tuple[Export | None, StoredPlan]]:
    """What an export would be now, from the newest extracts; nothing of it is kept.

    Its files are there while the block runs. Raises: as `make_export`.
    """
    with TemporaryDirectory(dir=project.folder("tmp")) as folder:
        way = delivery_of(project, target)
        export, plan, _ = _built(
            way, Path(folder), "preview", now, seeds=False, warn=log_warning
        )
        yield export, plan


def _built(
    way: Delivery[Any],
    folder: Path,
    run_id: str,
    now: dt.datetime,
    *,
    seeds: bool,
    warn: Warn,
) -> tuple[Export | None, StoredPlan, str]:
    """Fill the folder: the export, its plan, not stored yet, and what it was made from.

    seeds: the demonstration's watermark may be imported.
    """
    passing = folder / ".inputs"
    passing.mkdir(mode=0o700)
    try:
        export, plan, read = _filled(way, folder, run_id, now, seeds=seeds)
        if export is not None and seeds:
            left = _left_behind(way, now, warn)
            export = replace(export, findings=(*export.findings, *left))
        return export, plan, read
    finally:
        with after_commit("Removing what the export was made from", warn):
            _remove_passing(folder)


def _left_behind(way: Delivery[Any], now: dt.datetime, warn: Warn) -> list[Finding]:
    """What PowerSchool did not import; a folder that cannot be reached stops nothing here."""
    try:
        return not_picked_up(way.project, way.target, now)
    except D118Error as exc:
        warn(f"Nobody looked whether PowerSchool imported the last files. {exc.what}")
        return []


def _filled(
    way: Delivery[Any], folder: Path, run_id: str, now: dt.datetime, *, seeds: bool
) -> tuple[Export | None, StoredPlan, str]:
    project, target, destination = way.project, way.target, way.destination
    database, passing = state_database(project), folder / ".inputs"
    found = gather(project, target, database, run_id=run_id, folder=passing, now=now)
    refuse_demonstration(target, destination, demonstration=found.is_demonstration)
    if found.is_demonstration and seeds:
        _seed_demonstration(project, target, database, now)
    zone = project.district().zone
    since = cycle_start(target.model.ledger, now, zone)
    with database.reading() as connection:
        snapshot = read_snapshot(connection, target.name, destination.id, since=since)
    baseline = way.baseline(database, passing)
    snapshot = replace(snapshot, baseline=baseline)
    export = build_export(
        target,
        inputs=found.inputs,
        snapshot=snapshot,
        baseline_folder=project.home / baseline.folder if baseline else None,
        destination=destination.id,
        folder=folder,
        data_at=found.data_at,
        now=now,
        zone=zone,
        read_back=_read_back(target, folder),
    )
    plan = plan_of(
        export,
        target=target.name,
        destination=destination.id,
        run_id=run_id,
        folder=str(folder.relative_to(project.home)),
        demonstration=found.is_demonstration,
        data_at=found.data_at,
        now=now,
    )
    hours = (now - found.data_at).total_seconds() / 3600
    read = f"{found.read_from}, as of {local_time(found.data_at, zone)}"
    read += f" ({hours:.0f} hours old)" if hours >= 1 else ""
    return export, plan, read


def _read_back(target: Target, folder: Path) -> ReadBack | None:
    """What reads the finished archive again, if the target asks for it."""
    package = target.model.package
    if package is None or package.read_back == "none":
        return None
    from d118_pipelines.workflows.targets.self_check import (
        read_back,  # it loads the importer
    )

    return partial(read_back, folder=folder / ".inputs")


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
    parent = project.folder("exports", target.name)
    for killed in parent.iterdir():
        _remove_passing(killed)
    name = run_folder_name(parent, run_id, now)
    return project.folder("exports", target.name, name)


def _remove_passing(folder: Path) -> None:
    """Remove what holds people and nobody reads again; a killed run could not."""
    for name in (".inputs", ".spill"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
