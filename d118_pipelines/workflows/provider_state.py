"""Where a provider is: does a run work, how did the last one end, when is the next.

Called by the command line; the rows are written by `sync_runs.py`.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.store.runs import recent_runs
from d118_pipelines.state.leases import is_held
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import latest_plan
from d118_pipelines.workflows.sync_runs import next_run_at


@dataclass(frozen=True, slots=True)
class ProviderState:
    """One provider now. Times are in the district's zone.

    last_status: of the newest run, or never. last_sync: when one last succeeded.
    statistics: of the newest run that has any, entity -> counts.
    """

    provider: str
    type: str
    name: str
    enabled: bool
    schedule: str | None
    is_running: bool
    running_for_ms: int | None
    last_status: str
    last_sync: dt.datetime | None
    next_run: dt.datetime | None
    plan: str
    last_error: str
    statistics: dict[str, Any]


def provider_state(project: Project, provider: Provider) -> ProviderState:
    """Read the provider's state from the database."""
    zone = project.district().zone
    with state_database(project).transaction() as connection:
        rows, _ = recent_runs(connection, provider.id, limit=50)
        plan = latest_plan(connection, provider.id)
        is_running = is_held(connection, provider.id)
    newest = rows[0] if rows else None
    good = next((r for r in rows if r["status"] in ("SUCCESS", "PARTIAL")), None)
    started = newest["started_at"] if newest and is_running else None
    stats = next((r["stats_json"] for r in rows if r["stats_json"]), None)
    return ProviderState(
        provider=provider.id,
        type=provider.model.type,
        name=provider.model.name,
        enabled=provider.model.enabled,
        schedule=provider.model.schedule,
        is_running=is_running,
        running_for_ms=_milliseconds(started),
        last_status=str(newest["status"]) if newest else "never",
        last_sync=good["completed_at"].astimezone(zone) if good else None,
        next_run=next_run_at(provider, project),
        plan=f"{plan.plan_hash[:8]} {plan.verdict}" if plan else "",
        last_error=str(newest["error_message"] or "") if newest else "",
        statistics=json.loads(stats) if stats else {},
    )


def todo(state: ProviderState) -> str:
    """The command that goes on from here; empty where all is well."""
    name = state.provider
    if not state.enabled:
        return "disabled in config/providers.yaml"
    if state.is_running:
        return "a run is at work now"
    return {
        "SUCCESS": "",
        "PARTIAL": _partial(state),
        "HELD": f"d118 plan {name}",
        "FAILURE": f"d118 runs --provider {name}",
        "CANCELLED": f"d118 run {name}",
        "IN_PROGRESS": f"d118 run {name}",
        "PENDING": f"d118 run {name}",
        "never": f"d118 run {name}",
    }[state.last_status]


def _partial(state: ProviderState) -> str:
    has_conflicts = any(c.get("conflicts") for c in state.statistics.values())
    conflicts = f"; d118 conflicts list --provider {state.provider}"
    return f"d118 findings {state.provider}{conflicts if has_conflicts else ''}"


def _milliseconds(started: dt.datetime | None) -> int | None:
    if started is None:
        return None
    return int((utc_now() - started).total_seconds() * 1000)
