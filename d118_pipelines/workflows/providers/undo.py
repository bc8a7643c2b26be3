"""`d118 undo`: the reverse of a provider's last change, planned, guarded and recorded.

Called by `cli/providers.py`; what an undo is, is in `roster/store/undo.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.store.apply import ApplyResult
from d118_pipelines.roster.store.runs import Actor, open_run
from d118_pipelines.roster.store.undo import Undo, apply_undo, plan_undo
from d118_pipelines.state.leases import lease
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import store_plan, use_approval
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed, stored_plan
from d118_pipelines.workflows.providers.sync import frames, guard_of
from d118_pipelines.workflows.providers.sync_runs import end_row
from d118_pipelines.workflows.runs.admission import admit
from d118_pipelines.workflows.runs.run_events import RunEvent, tell_event


@dataclass(frozen=True, slots=True)
class UndoneRun:
    """What was reverted, and what was not."""

    undone: Undo
    result: ApplyResult


def undo_provider(
    project: Project, provider: Provider, run_id: str, actor: Actor
) -> UndoneRun:
    """Plan the undo, ask the guard, and apply it in one transaction.

    Raises: HeldError if the guard holds it: approve its hash, then start again;
    ConfigurationError if there is nothing to undo; BusyError if another run is active.
    """
    database, district = state_database(project), project.district()
    feed = ProviderFeed(project, provider, again="undo")
    with lease(database, provider.id, run_id), frames(project) as duck:
        planned = plan_undo(
            database,
            duck,
            district=district.id,
            provider=provider.id,
            plans_folder=project.folder("plans", provider.id),
            guard=guard_of(project, provider),
            zone=district.zone,
            run_id=run_id,
            now=utc_now(),
        )
        stored = stored_plan(project, planned.plan, data_at=planned.plan.made_at)
        with database.transaction() as connection:
            store_plan(connection, stored)
        try:
            with database.transaction() as connection:
                approval = admit(connection, feed, stored, now=utc_now())
        except D118Error as exc:
            status = "HELD" if exc.exit_code == 3 else "FAILURE"
            refused = RunEvent(provider.id, run_id, status, error=exc.what)
            with database.transaction() as connection:
                open_run(
                    connection,
                    district=district.id,
                    provider=provider.id,
                    run_id=run_id,
                    now=utc_now(),
                    actor=actor,
                    kind="undo",
                    undoes_run=planned.undoes_run,
                )
                end_row(connection, project, provider, refused, planned.plan.hash)
            raise
        with database.transaction() as connection:
            result = apply_undo(
                connection,
                duck,
                planned.plan,
                run_id=run_id,
                now=utc_now(),
                actor=actor,
            )
            done = RunEvent(provider.id, run_id, result.status, stats=result.stats)
            tell_event(connection, project, provider.model, done)
            if approval is not None:
                use_approval(connection, approval, target=provider.id, now=utc_now())
    return UndoneRun(planned, result)
