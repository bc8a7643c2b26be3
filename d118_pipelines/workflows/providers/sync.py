"""A provider's sync, step by step: pull, stage, plan, apply.

Called by the assets of `pulls.py`, `staged.py` and `roster.py`, and by the command
line; it joins sources, the roster room and the database. A step's lease and row are in
`sync_runs.py`, what staging is given in `staging_inputs.py`.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from d118_pipelines.config.guard_limits import CSV_REJECTS, RosterGuard, merged_guard
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import CsvProvider, PowerSchoolProvider, Provider
from d118_pipelines.kernel.after_commit import after_commit
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.roster.planning.baseline import (
    load_baseline,
    load_kept,
    load_values,
    read_revision,
    with_kept,
)
from d118_pipelines.roster.planning.plan import (
    PlanRequest,
    RosterPlan,
    find_plan,
    make_plan,
    repeat_plan,
)
from d118_pipelines.roster.staging.staged import (
    REFUSED_FILE,
    Staged,
    find_staged,
    repeat_staged,
)
from d118_pipelines.roster.staging.staging import stage
from d118_pipelines.roster.store.apply import (
    ApplyResult,
    OnStep,
    apply_plan,
    baseline_revision,
    no_step,
)
from d118_pipelines.sources.pull import Progress, Pull, find_pull, run_pull
from d118_pipelines.state.arrow import arrow_reading
from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import refuse_lost
from d118_pipelines.state.plans import (
    Approval,
    StoredPlan,
    latest_plan,
    store_plan,
    use_approval,
    valid_approval,
)
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed, stored_plan
from d118_pipelines.workflows.providers.provider_sources import (
    collections_of,
    provider_mapping,
    provider_source,
)
from d118_pipelines.workflows.providers.same_content import (
    Unchanged,
    content_key,
    find_unchanged,
)
from d118_pipelines.workflows.providers.staging_inputs import (
    in_term,
    kept_entities,
    load_known,
    nothing_yet,
    raw_inputs,
    shaped,
    staging_options,
)
from d118_pipelines.workflows.providers.sync_runs import close_row, sync_step, write_log
from d118_pipelines.workflows.runs.admission import admit
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines.workflows.runs.run_events import RunEvent, tell_event

if TYPE_CHECKING:
    import duckdb

PROGRESS_SECONDS = 5.0
"""Between two notes of the rows that were read."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A stored plan, and the approval that releases it, if there is one."""

    plan: RosterPlan
    stored: StoredPlan
    approval: Approval | None


def pull_provider(run: Run, provider: Provider, on_progress: Progress) -> Pull:
    """Read everything that the provider shares; whole or nothing.

    Raises: what the source raises; the newest pull then stays the newest.
    """
    with sync_step(run, provider):
        run.note(provider.id, 5, "Initializing connector")
        source = provider_source(run.project, provider)
        run.note(provider.id, 10, "Testing connection")
        names = collections_of(run.project, provider)
        on_progress = noted(run, provider.id, names, on_progress)
        return run_pull(
            source,
            run.project.folder("raw", provider.id),
            provider=provider.id,
            run_id=run.run_id,
            now=utc_now(),
            on_progress=on_progress,
            max_records=provider.model.limits.max_records,
            refused=run.project.folder("staged", provider.id) / REFUSED_FILE,
        )


def noted(run: Run, name: str, collections: Sequence[str], told: Progress) -> Progress:
    """The same, and now and then a note of how much was read: 15 to 55 percent."""
    rows_of: dict[str, int] = {}
    last = -PROGRESS_SECONDS

    def report(collection: str, rows: int, pages: int, seconds: float) -> None:
        nonlocal last
        is_new = collection not in rows_of
        rows_of[collection] = rows
        if not rows_of or is_new or time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            read = sum(rows_of.values())
            if len(rows_of) == 1 and is_new:
                run.note(name, 15, "Starting data synchronization", read)
            else:
                share = min(len(rows_of) - 1, len(collections)) / len(collections)
                run.note(name, 15 + int(40 * share), f"Reading {collection}", read)
        told(collection, rows, pages, seconds)

    return report


def stage_provider(run: Run, provider: Provider) -> Staged | None:
    """Stage what this run pulled, else the newest pull; None when out of term.

    Raises: IncompleteExtractError if there is no pull, or too many rows are rejected.
    """
    project = run.project
    raw = raw_inputs(project, provider, run.run_id)
    with (
        sync_step(run, provider) as database,
        frames(project) as duck,
        scratch_folder(project.folder("tmp")) as folder,
    ):
        if isinstance(provider.model, PowerSchoolProvider):
            raw, is_due = in_term(project, provider.model, raw, folder)
            if not is_due:
                nothing_due = "Nothing to do: no school is in term."
                close_row(run, provider, "SUCCESS", nothing_due)
                run.note(provider.id, 100, nothing_due)
                return None
        mapping = shaped(project, provider, provider_mapping(project, provider), raw)
        options = staging_options(project, provider, raw)
        parent, now = project.folder("staged", provider.id), utc_now()
        whose = {"district": options.district_id, "provider": provider.id}
        kept = kept_entities(provider, mapping, raw)
        is_delta = any(one.is_delta for one in raw.collections.values())
        key = ""
        with database.reading() as connection:
            revision = baseline_revision(connection, options.district_id)
            kept = with_kept(connection, kept, **whose)
        if not is_delta:
            key = content_key(
                *(project, provider, raw, mapping, options),
                revision=revision if kept else None,
            )
        if same := _unchanged(run, provider, database, key):
            staged = repeat_staged(
                same.staged,
                raw={name: one.path for name, one in raw.collections.items()},
                parent=parent,
                run_id=run.run_id,
                now=now,
            )
        else:
            known = set[str]()
            if is_delta or kept:
                with arrow_reading(database) as reader:
                    if is_delta:
                        known = load_known(reader, duck, project, provider)
                    load_kept(reader, duck, kept, **whose)
            staged = stage(
                duck,
                raw=raw.collections,
                mapping=mapping,
                options=options,
                parent=parent,
                run_id=run.run_id,
                now=now,
                pull_findings=raw.findings,
                known=known,
                kept=kept,
                content=key,
            )
        write_log(run, provider, duck, staged.findings_file)
    run.note(provider.id, 60, "Comparing with the roster")
    return staged


def plan_provider(run: Run, provider: Provider) -> PlannedRun:
    """Compare the staged roster with the roster; store and judge the difference.

    Raises: IncompleteExtractError if nothing is staged yet.
    """
    project, now = run.project, utc_now()
    with sync_step(run, provider) as database:
        staged = _staged(run, provider)
        same = _unchanged(run, provider, database, staged.content)
        if same and staged.repeats == same.run_id:
            plan = repeat_plan(
                same.plan,
                guard_of(project, provider),
                project.district().zone,
                staged=staged.folder.name,
                plans_folder=project.folder("plans", provider.id),
                run_id=run.run_id,
                now=now,
            )
        else:
            plan = _compared(run, provider, database, staged, now)
        stored = stored_plan(project, plan, data_at=staged.made_at)
        with database.transaction() as connection:
            store_plan(connection, stored)
            approval = valid_approval(
                connection, target=provider.id, plan_hash=plan.hash, now=now
            )
    run.note(provider.id, 70, "Checking the guard")
    return PlannedRun(plan, stored, approval)


def _unchanged(
    run: Run, provider: Provider, database: Database, key: str
) -> Unchanged | None:
    if not key:
        return None
    with database.reading() as connection:
        return find_unchanged(
            connection, run.project, provider, run_id=run.run_id, key=key
        )


def _compared(
    run: Run, provider: Provider, database: Database, staged: Staged, now: dt.datetime
) -> RosterPlan:
    """The plan of a staged roster, compared row by row with the roster."""
    project, district = run.project, run.project.district()
    with frames(project) as duck, arrow_reading(database) as reader:
        load_baseline(reader, duck, district=district.id, provider=provider.id)
        return make_plan(
            duck,
            PlanRequest(
                district=district.id,
                provider=provider.id,
                matching=provider.model.matching,
                deactivate_missing=provider.model.deactivate_missing,
                guard=guard_of(project, provider),
                zone=district.zone,
                revision=read_revision(reader, district.id),
                mapping_hash=staged.mapping_fingerprint,
            ),
            staged=staged.folder,
            load_values=partial(load_values, reader),
            plans_folder=project.folder("plans", provider.id),
            run_id=run.run_id,
            now=now,
        )


def apply_provider(
    run: Run, provider: Provider, on_step: OnStep = no_step
) -> ApplyResult:
    """Carry out the plan that this run made, else the newest one, in one transaction.

    on_step: gets what has been written so far, entity by entity.
    Raises: HeldError if the guard holds it; FatalError if it failed or the roster has
    changed since it was made. The roster then stays as it was.
    """
    project = run.project
    with sync_step(run, provider) as database, frames(project) as duck:
        with database.transaction() as connection:
            stored = latest_plan(connection, provider.id, run_id=run.run_id)
            feed = ProviderFeed(project, provider)
            approval = admit(connection, feed, stored, now=utc_now())
        plan = find_plan(
            project.folder("plans", provider.id), run_id=stored.run_id if stored else ""
        )
        assert plan is not None and stored is not None
        run.note(provider.id, 80, "Applying the plan")
        with database.transaction() as connection:
            refuse_lost(connection, provider.id, run.run_id)
            result = apply_plan(
                connection,
                duck,
                plan,
                project.folder("staged", provider.id) / plan.staged,
                run_id=run.run_id,
                now=utc_now(),
                actor=run.actor,
                on_step=on_step,
            )
            ended = RunEvent(provider.id, run.run_id, result.status, stats=result.stats)
            tell_event(connection, project, provider.model, ended)
            if approval is not None:
                use_approval(connection, approval, target=provider.id, now=utc_now())
    run.note(provider.id, 95, "Applied")
    with after_commit("Moving the files that were read out of the inbox", run.warn):
        _clear_inbox(project, provider, plan.run_id)
    run.note(provider.id, 100, "Done")
    return result


def _clear_inbox(project: Project, provider: Provider, run_id: str) -> None:
    """Move the files that were dropped for this run out of the way of the next one."""
    from d118_pipelines.sources.csv_files.arrival import archive
    from d118_pipelines.sources.csv_files.source import read_stamps

    model = provider.model
    if not isinstance(model, CsvProvider) or model.config.path or model.config.sftp:
        return  # only an inbox is ours to change
    pull = find_pull(project.folder("raw", provider.id), run_id=run_id)
    if pull is not None:
        folder = project.folder("inbox", provider.id)
        archive(folder, pull.folder.name, read_stamps(pull.details))


def guard_of(project: Project, provider: Provider) -> RosterGuard:
    """The limits for this provider: the district's, with the entry's own keys."""
    guard = project.district().guard
    if isinstance(provider.model, CsvProvider):
        guard = guard.model_copy(update={"rejected": CSV_REJECTS})
    return merged_guard(guard, provider.model.guard)


def _staged(run: Run, provider: Provider) -> Staged:
    staged = find_staged(run.project.folder("staged", provider.id), run.run_id)
    if staged is None:
        raise nothing_yet(provider, "staged roster", f"d118 run {provider.id}")
    return staged


@contextmanager
def frames(project: Project) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB session for roster-sized work; it spills below `D118_HOME`."""
    with closing(open_frames(project.folder("tmp"))) as duck:
        yield duck
