"""How a provider is doing: is a run at work, how did the last one end, when is the next.

Called by `provider_feed.py` and `d118 providers list`; the same for targets is in
`target_state.py`.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.kernel.clock import tick, utc_now
from d118_pipelines.roster.store.runs import recent_runs
from d118_pipelines.state.leases import is_held
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import latest_plan

MILLISECOND = dt.timedelta(milliseconds=1)


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

    @property
    def row(self) -> Mapping[str, Any]:
        """One line of `d118 status`."""
        changed = {
            name: sum(int(c.get(name, 0)) for c in self.statistics.values())
            for name in ("created", "updated", "deactivated")
        }
        return {
            "provider": self.provider,
            "state": "running" if self.is_running else self.last_status,
            "last sync": self.last_sync,
            **changed,
            "plan": self.plan,
            "next run": self.next_run,
            "to do": self.todo,
        }

    @property
    def todo(self) -> str:
        """The command that goes on from here; empty where all is well."""
        name = self.provider
        if not self.enabled:
            return "disabled in config/providers.yaml"
        if self.is_running:
            return "a run is active now"
        return {
            "SUCCESS": "",
            "PARTIAL": f"d118 findings {name}{self._conflicts}",
            "HELD": f"d118 plan {name}",
            "FAILURE": f"d118 runs --provider {name}",
        }.get(self.last_status, f"d118 run {name}")

    @property
    def _conflicts(self) -> str:
        has_some = any(c.get("conflicts") for c in self.statistics.values())
        return f"; d118 conflicts list --provider {self.provider}" if has_some else ""


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
        running_for_ms=(utc_now() - started) // MILLISECOND if started else None,
        last_status=str(newest["status"]) if newest else "never",
        last_sync=good["completed_at"].astimezone(zone) if good else None,
        next_run=_next_run(project, provider),
        plan=f"{plan.plan_hash[:8]} {plan.verdict}" if plan else "",
        last_error=str(newest["error_message"] or "") if newest else "",
        statistics=json.loads(stats) if stats else {},
    )


def _next_run(project: Project, provider: Provider) -> dt.datetime | None:
    """None without a schedule, or when disabled."""
    model = provider.model
    if model.schedule is None or not model.enabled:
        return None
    zone = ZoneInfo(model.timezone or project.district().time_zone)
    return tick(model.schedule, utc_now(), zone)
