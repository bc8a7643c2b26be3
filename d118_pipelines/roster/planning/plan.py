"""The plan: all that a staged roster would change in the roster database; no values.

Called by `workflows/providers/sync.py`, and `judge_and_store` by `store/undo.py`. A
plan is the folder `D118_HOME/plans/<provider>/<time>-<run>/`: `<entity>.parquet` has a
row per change, `match.parquet` who is who, `manifest.json` counts, verdict and hash.
Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from d118_pipelines.config.guard_limits import RosterGuard
from d118_pipelines.kernel.frames import count_of, parquet, write_parquet
from d118_pipelines.kernel.guard_rule import GuardRule, Verdict, verdict
from d118_pipelines.kernel.run_folders import (
    RunFolder,
    find_made,
    new_run_folder,
    read_manifest,
    repeat_files,
    write_manifest,
)
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.planning.comparison import Absent, Comparison, LoadValues
from d118_pipelines.roster.planning.guard import SchoolConflict, judge
from d118_pipelines.roster.planning.matching import match_all
from d118_pipelines.roster.planning.plan_counts import (
    Counts,
    SchoolCounts,
    count_entity,
    count_schools,
)
from d118_pipelines.roster.planning.record_views import (
    MATCH_FILE,
    make_record_views,
    record_source,
)
from d118_pipelines.roster.staging.staged import EntityCounts, Staged, read_staged

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.config.providers import Matching


@dataclass(frozen=True, slots=True)
class RosterPlan:
    """A stored plan. `hash` names exactly these changes (64 hexadecimal digits).

    revision: of the roster that it was compared with. staged: name of the staged
    roster's folder. counts: scope (`users`, `users/students`) -> counts.
    """

    folder: Path
    provider: str
    district: str
    run_id: str
    made_at: dt.datetime
    staged: str
    revision: int
    mapping_hash: str
    is_demonstration: bool
    hash: str
    changes: int
    verdict: Verdict
    rules: tuple[GuardRule, ...]
    counts: Mapping[str, Counts]
    schools: tuple[SchoolCounts, ...]

    @property
    def entities(self) -> list[str]:
        """The entities that it covers, in the order of the model."""
        return [name for name in ENTITIES if name in self.counts]

    def changes_file(self, entity: str) -> Path:
        """The Parquet file with the changes of one entity."""
        return self.folder / f"{entity}.parquet"


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Whose roster is compared, and by which rules."""

    district: str
    provider: str
    matching: Matching
    deactivate_missing: bool
    guard: RosterGuard
    zone: ZoneInfo
    revision: int
    mapping_hash: str


def make_plan(
    duck: duckdb.DuckDBPyConnection,
    request: PlanRequest,
    *,
    staged: Path,
    load_values: LoadValues,
    plans_folder: Path,
    run_id: str,
    now: dt.datetime,
) -> RosterPlan:
    """Compare a staged roster with the baseline in `base.*`; judge and store the plan.

    staged: its folder. plans_folder: the provider's, `D118_HOME/plans/<provider>`.
    load_values: makes `base_values.<entity>` for the ids of a SELECT. Changes nothing
    but the session and that folder.
    """
    with new_run_folder(plans_folder, run_id=run_id, now=now) as folder:
        roster = read_staged(staged)
        day = now.astimezone(request.zone).date()
        keeps_active = request.guard.keeps_active_on(day)
        compared = _compare(
            duck, request, roster, load_values, folder.path, keeps_active=keeps_active
        )
        return judge_and_store(
            compared,
            request,
            folder,
            run_id=run_id,
            now=now,
            roster=roster,
            deltas=[name for name, e in roster.entities.items() if e.is_delta],
        )


def repeat_plan(
    old: RosterPlan,
    guard: RosterGuard,
    zone: ZoneInfo,
    *,
    staged: str,
    plans_folder: Path,
    run_id: str,
    now: dt.datetime,
) -> RosterPlan:
    """The plan of a run with the same content and roster as one that changed nothing.

    old: its plan, without conflicts or absences. staged: name of this run's staged
    roster. The counts are those of then; the guard judges them by today's limits.
    """
    with new_run_folder(plans_folder, run_id=run_id, now=now) as folder:
        repeat_files(old.folder, folder.path)
        rules = judge(old.counts, old.schools, guard, now.astimezone(zone).date())
        plan = replace(
            old,
            folder=folder.final,
            run_id=run_id,
            made_at=now,
            staged=staged,
            verdict=verdict(rules),
            rules=tuple(rules),
        )
        write_manifest(folder.path, _stored(plan))
    return plan


def judge_and_store(
    compared: Comparison,
    request: PlanRequest,
    folder: RunFolder,
    *,
    run_id: str,
    now: dt.datetime,
    roster: Staged | None,
    deltas: Collection[str],
) -> RosterPlan:
    """Count and judge what `changes.*` hold; write `manifest.json` beside their files.

    roster: what was compared; None for an undo. deltas: entities that may be empty.
    """
    counts: dict[str, Counts] = {}
    for entity in compared.source.staged:
        duplicates = roster.entities[entity].duplicates if roster else 0
        counts |= count_entity(compared, entity, duplicates=duplicates)
    schools = count_schools(compared, compared.source.staged)
    rules = judge(
        counts,
        schools,
        request.guard,
        now.astimezone(request.zone).date(),
        school_conflicts=_school_conflicts(compared),
        held_reason=roster.held_reason if roster else None,
        deltas=deltas,
    )
    plan = RosterPlan(
        folder=folder.final,
        provider=request.provider,
        district=request.district,
        run_id=run_id,
        made_at=now,
        staged=roster.folder.name if roster else "",
        revision=request.revision,
        mapping_hash=request.mapping_hash,
        is_demonstration=roster.is_demonstration if roster else False,
        hash=_hash_of(compared, request),
        changes=_count_changes(compared),
        verdict=verdict(rules),
        rules=tuple(rules),
        counts=counts,
        schools=tuple(schools),
    )
    write_manifest(folder.path, _stored(plan))
    return plan


def _compare(
    duck: duckdb.DuckDBPyConnection,
    request: PlanRequest,
    roster: Staged,
    load_values: LoadValues,
    out: Path,
    *,
    keeps_active: bool,
) -> Comparison:
    """Match, then compare every staged entity; the files are in `out`."""
    deactivates = request.deactivate_missing and not keeps_active
    district, provider = request.district, request.provider
    source = record_source(roster.folder, district=district, provider=provider)
    match_all(duck, source, request.matching)
    make_record_views(duck, source)
    write_parquet(duck, "FROM match.found", out / MATCH_FILE)
    rejected = parquet(roster.rejected_file)
    compared = Comparison(duck, source, rejected, load_values, out)
    for entity in source.staged:
        counts = roster.entities[entity]
        absent = _absent(counts, deactivates)
        compared.run(entity, absent, keeps_active=keeps_active)
    return compared


def _absent(counts: EntityCounts, deactivate_missing: bool) -> Absent:
    """What absence from one staged entity means."""
    if counts.is_delta or counts.absence == "never":
        return "nothing"
    if counts.unreadable_keys or not deactivate_missing:
        return "withheld"
    return "deactivate" if counts.absence == "proven" else "second_time"


def _school_conflicts(compared: Comparison) -> list[SchoolConflict]:
    if "orgs" not in compared.source.staged:
        return []
    rows = compared.duck.execute(
        "SELECT external_id, rule FROM changes.orgs WHERE action = 'conflict' "
        "ORDER BY external_id"
    ).fetchall()
    return [SchoolConflict(*row) for row in rows]


def _count_changes(compared: Comparison) -> int:
    """Rows that apply would act on."""
    acted = "action NOT IN ('conflict', 'withheld', 'absent_once')"
    return sum(
        count_of(compared.duck, f"changes.{entity} WHERE {acted}")
        for entity in compared.source.staged
    )


def _hash_of(compared: Comparison, request: PlanRequest) -> str:
    """SHA-256 over provider, revision, mapping and every change, in no order of rows."""
    digests = {e: _digest(compared.duck, e) for e in compared.source.staged}
    values = {
        "provider": request.provider,
        "district": request.district,
        "revision": request.revision,
        "mapping": request.mapping_hash,
        "changes": digests,
    }
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(duck: duckdb.DuckDBPyConnection, entity: str) -> str:
    buckets = duck.execute(statement("roster/plan.digests", entity=entity)).fetchall()
    return hashlib.sha256("".join(row[0] for row in buckets).encode()).hexdigest()


def _stored(plan: RosterPlan) -> dict[str, Any]:
    """The values of the manifest; `read_plan` reads them."""
    counts = sorted(plan.counts.items())
    return {
        **{name: getattr(plan, name) for name in RosterPlan.__slots__},
        "rules": [asdict(rule) for rule in plan.rules],
        "counts": {name: count.as_dict() for name, count in counts},
        "schools": [asdict(school) for school in plan.schools],
    }


def read_plan(folder: Path) -> RosterPlan:
    """Read one stored plan."""
    values = read_manifest(folder)
    values["rules"] = tuple(GuardRule(**rule) for rule in values["rules"])
    values["counts"] = {k: Counts.from_dict(v) for k, v in values["counts"].items()}
    values["schools"] = tuple(SchoolCounts(**school) for school in values["schools"])
    return RosterPlan(**values)


def find_plan(plans_folder: Path, *, run_id: str | None = None) -> RosterPlan | None:
    """The plan that the run made, else the newest one, else None."""
    return find_made(plans_folder, read_plan, run_id)
