"""Reading a vendor's files: pull, judge, keep as extracts that targets join.

Called by `assets/pulls.py`. Nothing is staged and no roster changes; what is held and
how it is said is in `vendor_file_feed.py`. Rule: docs/reference/vendor_files.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from d118_pipelines.config.providers import Provider, VendorFileProvider
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.finding import Finding
from d118_pipelines.roster.planning.plan_counts import Counts
from d118_pipelines.roster.staging.staged import REFUSED_FILE
from d118_pipelines.sources.pull import Progress, Pull, PullStore, find_pull, run_pull
from d118_pipelines.sources.vendor_file.cells import DUCKDB_TYPES
from d118_pipelines.sources.vendor_file.source import FileFacts, read_facts
from d118_pipelines.state.plans import Approval, store_plan, use_approval
from d118_pipelines.workflows.providers.provider_sources import provider_source
from d118_pipelines.workflows.providers.sync import frames, noted
from d118_pipelines.workflows.providers.sync_runs import end_row, sync_step, write_log
from d118_pipelines.workflows.providers.vendor_file_feed import (
    VendorFileFeed,
    planned_files,
)
from d118_pipelines.workflows.runs.admission import admit
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines.workflows.runs.run_events import RunEvent


def pull_vendor_files(run: Run, provider: Provider, on_progress: Progress) -> Pull:
    """Read every declared file and make the extracts of it, whole or nothing.

    Raises: IncompleteExtractError for a file that cannot be used; HeldError for files
    that the guard holds. The extracts that were there then stay the newest.
    """
    project, model = run.project, provider.model
    assert isinstance(model, VendorFileProvider)
    folder, now = project.folder("raw", provider.id), utc_now()
    approval: Approval | None = None

    with sync_step(run, provider) as database:
        run.note(provider.id, 5, "Initializing connector")
        source = provider_source(project, provider)
        before = find_pull(folder)

        def judge(store: PullStore) -> None:
            nonlocal approval
            tables = model.config.files
            store.findings += _late(model, read_facts(store.details), now.timestamp())
            plan = planned_files(
                provider.id, tables, store, before, run_id=run.run_id, now=now
            )
            with database.transaction() as connection:
                store_plan(connection, plan)
            with database.transaction() as connection:
                feed = VendorFileFeed(project, provider)
                approval = admit(connection, feed, plan, now=now)

        run.note(provider.id, 10, "Reading the files")
        made = run_pull(
            source,
            folder,
            provider=provider.id,
            run_id=run.run_id,
            now=now,
            on_progress=noted(run, provider.id, list(model.config.files), on_progress),
            max_records=model.limits.max_records,
            refused=folder / REFUSED_FILE,
            judge=judge,
        )
        (folder / REFUSED_FILE).unlink(missing_ok=True)
        if made.findings_file.is_file():
            with frames(project) as duck:
                write_log(run, provider, duck, made.findings_file)
        stats = _statistics(made)
        left_out = any(one["errors"] for one in stats.values())
        status = "PARTIAL" if left_out else "SUCCESS"
        with database.transaction() as connection:
            ended = RunEvent(provider.id, run.run_id, status, stats=stats)
            end_row(connection, project, provider, ended)
            if approval is not None:
                use_approval(connection, approval, target=provider.id, now=utc_now())
    run.note(provider.id, 100, "Done")
    return made


def declared_columns(provider: Provider, name: str) -> dict[str, str]:
    """The columns of an extract with their DuckDB types; none if it is not declared."""
    model = provider.model
    if not isinstance(model, VendorFileProvider) or name not in model.config.files:
        return {}
    columns = model.config.files[name].columns
    kinds = {column: DUCKDB_TYPES[one.type] for column, one in columns.items()}
    return {**kinds, "_line": "BIGINT"}


def _statistics(made: Pull) -> dict[str, dict[str, Any]]:
    """The counts of a run under the names that rosters have."""
    facts = read_facts(made.details)
    return {
        name: replace(Counts(), fetched=one.rows, errors=facts[name].rejected).as_dict()
        for name, one in made.collections.items()
    }


def _late(
    model: VendorFileProvider, facts: dict[str, FileFacts], now: float
) -> list[Finding]:
    """A finding for each file that is too old where that is only reported."""
    return [
        Finding(
            "file.late",
            "warn",
            file=f"{facts[name].name}/{name}",
            detail=f"{(now - facts[name].modified) / 3600:,.0f} hours old; "
            f"max_age_hours: {table.max_age_hours}",
        )
        for name, table in model.config.files.items()
        if table.when_late == "report"
        and table.max_age_hours is not None
        and now - facts[name].modified > 3600 * table.max_age_hours
    ]
