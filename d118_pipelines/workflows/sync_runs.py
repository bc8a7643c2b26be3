"""One step of a provider's run: its lease, its row in `sis_sync_runs`, its end.

Belongs here: who started a run and how it ended. Not here: what the steps do
(`sync.py`). Statuses: docs/reference/roster_database.md, runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider, read_providers
from d118_pipelines.errors import BusyError, D118Error, HeldError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.store import runs as history
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import lease
from d118_pipelines.state.open import state_database

KILLED = "The run ended before the apply: its process was killed, or only a part ran."


@dataclass(frozen=True, slots=True)
class ProviderRun:
    """A provider's run: which, and who started it."""

    provider: Provider
    run_id: str
    actor: Actor


def actor_of(tags: Mapping[str, str]) -> Actor:
    """Who started a run, by the tags that Dagster and this project set."""
    schedule = tags.get("dagster/schedule_name")
    sensor = tags.get("dagster/sensor_name")
    if schedule or sensor:
        return Actor(schedule or sensor or "", is_manual=False)
    return Actor(tags.get("sis/triggered_by", "ui or shell"))


@contextmanager
def sync_step(project: Project, run: ProviderRun) -> Iterator[Database]:
    """Hold the provider's lease and keep its row true while the block runs.

    An error closes the row as FAILURE or HELD, an interruption as CANCELLED; the row
    stays open after a block that ended well.
    Raises: BusyError if another run of the provider is at work; FatalError if this one
    has ended.
    """
    database = state_database(project)
    provider = run.provider.id
    with database.reading() as connection:
        # A run that was given up must not take the lease from its successor.
        history.refuse_ended(connection, provider=provider, run_id=run.run_id)
    with lease(database, provider, run.run_id):
        _open(project, database, run)
        try:
            yield database
        except HeldError as exc:
            _close(database, run, "HELD", exc.what)
            raise
        except D118Error as exc:
            _close(database, run, "FAILURE", exc.what)
            raise
        except BaseException as exc:
            if isinstance(exc, Exception):
                # Only the class: the text may carry a person's data.
                _close(database, run, "FAILURE", f"internal.{type(exc).__name__}")
            else:
                _close(database, run, "CANCELLED", "The run was ended from outside.")
            raise


def close_refused(
    project: Project, run: ProviderRun, error: D118Error, plan_hash: str
) -> None:
    """End the row of a run whose plan may not be applied: HELD, or FAILURE."""
    status = "HELD" if isinstance(error, HeldError) else "FAILURE"
    _close(state_database(project), run, status, error.what, plan_hash)


def close_lost_runs(project: Project, provider: str) -> int:
    """Close the provider's open rows whose process is gone. Returns how many."""
    database = state_database(project)
    try:
        with (
            lease(database, provider, "clean-up"),
            database.transaction() as connection,
        ):
            return history.close_open_runs(
                connection,
                provider=provider,
                status="FAILURE",
                now=utc_now(),
                error=KILLED,
            )
    except BusyError:
        return 0  # a run is at work, and its row with it


def mirror(project: Project, database: Database) -> None:
    """Bring `sis_providers` up to date with `config/providers.yaml`."""
    entries = [
        history.Provider(
            id=provider.id,
            provider_type=provider.model.type,
            name=provider.model.name,
            enabled=provider.model.enabled,
            sync_schedule=provider.model.schedule,
            # Equal priorities: the order of the file decides.
            priority=provider.model.priority * 1000 + place,
            entry_hash=provider.fingerprint,
        )
        for place, provider in enumerate(read_providers(project.root))
    ]
    with database.transaction() as connection:
        history.mirror_providers(connection, project.district().id, entries)


def _open(project: Project, database: Database, run: ProviderRun) -> None:
    mirror(project, database)
    with database.transaction() as connection:
        history.close_open_runs(
            connection,
            provider=run.provider.id,
            status="FAILURE",
            now=utc_now(),
            error=KILLED,
            but=run.run_id,
        )
        history.open_run(
            connection,
            district=project.district().id,
            provider=run.provider.id,
            run_id=run.run_id,
            now=utc_now(),
            actor=run.actor,
        )


def _close(
    database: Database,
    run: ProviderRun,
    status: str,
    error: str,
    plan_hash: str | None = None,
) -> None:
    with database.transaction() as connection:
        history.close_run(
            connection,
            provider=run.provider.id,
            run_id=run.run_id,
            status=status,
            now=utc_now(),
            error=error,
            plan_hash=plan_hash,
        )


def next_run_at(provider: Provider, project: Project) -> dt.datetime | None:
    """When the provider's schedule fires next; None without one, or when disabled."""
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

    if provider.model.schedule is None or not provider.model.enabled:
        return None
    zone = ZoneInfo(provider.model.timezone or project.district().time_zone)
    return next(CronSim(provider.model.schedule, utc_now().astimezone(zone)), None)
