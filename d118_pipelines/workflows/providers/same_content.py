"""Same content, nothing to do: a pull that brings what the last run found unchanged.

Called by `sync.py`. Staging and comparing would find once more what they found then, so
the last staged roster and its empty plan are repeated for this run: with its time, its
findings, its statistics, and the guard's rules of today. On any doubt None, and then
everything is done in full. Rule: docs/reference/staging.md, same content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.kernel.run_folders import newest_run_folder
from d118_pipelines.kernel.shipped import SHIPPED
from d118_pipelines.roster.model.mapping import MappingFile
from d118_pipelines.roster.model.tables import (
    absent_once,
    identity_conflicts,
    sis_sync_runs,
)
from d118_pipelines.roster.planning.plan import RosterPlan, read_plan
from d118_pipelines.roster.staging.staged import Staged, read_staged
from d118_pipelines.roster.staging.staging import StagingOptions
from d118_pipelines.roster.store.apply import baseline_revision
from d118_pipelines.roster.store.runs import APPLIED
from d118_pipelines.workflows.providers.staging_inputs import RawInputs

_PACKAGE = Path(__file__).parents[1]
# What decides about rows: another version of it could decide otherwise.
_CODE = (_PACKAGE / "roster", _PACKAGE / "kernel", _PACKAGE / "state", SHIPPED / "sql")


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The last run of a provider, which found nothing to change."""

    run_id: str
    staged: Staged
    plan: RosterPlan


def content_key(
    project: Project,
    provider: Provider,
    raw: RawInputs,
    mapping: MappingFile,
    options: StagingOptions,
    *,
    revision: int | None,
) -> str:
    """SHA-256 of all that decides what a pull becomes, beside the roster itself.

    Every byte of the extracts and of the source's findings, what absence means, the
    mapping, the provider's settings, the order of the providers, and this code.
    revision: of the roster, if staging fills in values from it; else None.
    """
    digest = hashlib.sha256()
    settings = {
        **asdict(options),
        "entities": sorted(options.entities),
        "mapping": mapping.fingerprint,
        "endpoints": sorted(e.collection for e in mapping.endpoints),
        "matching": provider.model.matching.model_dump(mode="json"),
        "deactivate_missing": provider.model.deactivate_missing,
        "priorities": [(one.id, one.model.priority) for one in project.providers()],
        "collections": {
            name: (one.absence, one.is_delta, one.rows)
            for name, one in raw.collections.items()
        },
        "demonstration": raw.is_demonstration,
        "revision": revision,
    }
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    files = [raw.collections[name].file for name in sorted(raw.collections)]
    files += [raw.findings] if raw.findings and raw.findings.is_file() else []
    files += [one.query for one in mapping.endpoints if one.query]
    for path in (*files, *_code_files()):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _code_files() -> Iterator[Path]:
    for folder in _CODE:
        yield from sorted(folder.rglob("*.py"))
        yield from sorted(folder.rglob("*.sql"))


def find_unchanged(
    connection: sa.Connection,
    project: Project,
    provider: Provider,
    *,
    run_id: str,
    key: str,
) -> Unchanged | None:
    """The provider's last run before this one, if repeating it is all there is to do.

    It was a sync that was applied and changed nothing, of the same `content_key`; the
    roster is where it left it; nobody was absent, in conflict or withheld, and no
    conflict was resolved since.
    """
    c, district = sis_sync_runs.c, project.district().id
    last = connection.execute(
        sa.select(sis_sync_runs)
        .where(c.provider_id == provider.id, c.run_id != run_id)
        .order_by(c.number.desc())
        .limit(1)
    ).first()
    if last is None or last.kind != "sync" or last.status not in APPLIED:
        return None
    plan = _plan_of(project, provider, last)
    if plan is None or plan.revision != baseline_revision(connection, district):
        return None
    if _is_open(connection, provider, district, last):
        return None
    staged = _staged_of(project, provider, plan, key)
    return Unchanged(last.run_id, staged, plan) if staged else None


def _plan_of(
    project: Project, provider: Provider, last: sa.Row[tuple[object, ...]]
) -> RosterPlan | None:
    """The plan of the last run, if it is there and has nothing left to happen."""
    folder = newest_run_folder(project.home / "plans" / provider.id, last.run_id)
    plan = read_plan(folder) if folder else None
    if plan is None or (plan.run_id, plan.hash) != (last.run_id, last.plan_hash):
        return None
    is_settled = not any(
        c.conflicts or c.withheld or c.absent_once for c in plan.counts.values()
    )
    files = [plan.changes_file(entity) for entity in plan.entities]
    is_whole = all(file.is_file() for file in files)
    is_empty = not last.changed and not plan.changes
    return plan if is_empty and is_settled and is_whole else None


def _is_open(
    connection: sa.Connection,
    provider: Provider,
    district: str,
    last: sa.Row[tuple[object, ...]],
) -> bool:
    """Whether somebody is absent for the first time, or a conflict was resolved since."""
    a, i = absent_once.c, identity_conflicts.c
    absent = sa.select(sa.literal(1)).where(
        a.district_id == district, a.provider_id == provider.id
    )
    resolved = sa.select(sa.literal(1)).where(
        i.district_id == district,
        i.provider_id == provider.id,
        i.resolved_at >= last.started_at,
    )
    rows = sa.union_all(absent, resolved).limit(1)
    return connection.execute(rows).first() is not None


def _staged_of(
    project: Project, provider: Provider, plan: RosterPlan, key: str
) -> Staged | None:
    """The staged roster of a plan, if it was made of the same and is complete."""
    folder = project.home / "staged" / provider.id / plan.staged
    if not plan.staged or not (folder / "manifest.json").is_file():
        return None
    staged = read_staged(folder)
    files = [staged.rejected_file, staged.findings_file]
    files += [staged.rows_file(entity) for entity in staged.entities]
    is_whole = all(file.is_file() for file in files)
    is_same = staged.content == key and not staged.held_reason
    return staged if is_same and is_whole else None
