"""One run: what its steps share, the leases that it holds until it ends, who started it.

Made by `resources.py` for each Dagster run, by the tests and benchmarks for theirs; handed
to `sync.py` and to the assets. What a step of a provider records is in `sync_runs.py`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from d118_pipelines.config.project import Project
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import Leases
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import refuse_paused


@dataclass(frozen=True)
class Run:
    """A run of providers or targets: the project as read once, and who started it.

    Use it inside `with run.leases:`, which gives back what the run holds.
    """

    project: Project
    run_id: str
    actor: Actor
    leases: Leases = field(default_factory=Leases)

    @cached_property
    def database(self) -> Database:
        """The state database, opened when a step first needs it."""
        return state_database(self.project)

    def hold(self, name: str) -> bool:
        """Hold the lease of a provider or target from now on; True if it is new.

        Raises: BusyError if another run is at work, now or when it was first asked;
        PausedError if it is paused now.
        """
        with self.database.reading() as connection:
            refuse_paused(connection, name, self.project.district().zone)
        return self.leases.hold(self.database, name, self.run_id)


def actor_of(tags: Mapping[str, str]) -> Actor:
    """Who started a run, by the tags that Dagster and this project set."""
    schedule = tags.get("dagster/schedule_name")
    sensor = tags.get("dagster/sensor_name")
    if schedule or sensor:
        return Actor(schedule or sensor or "", is_manual=False)
    return Actor(tags.get("sis/triggered_by", "ui or shell"))


def account() -> str:
    """The operating system's name for who runs this, else the number of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"
