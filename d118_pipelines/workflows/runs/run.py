"""One run: what its steps share, the leases it holds until it ends, its tags.

Made by `resources.py` for each Dagster run, by the tests and benchmarks for theirs;
handed to `sync.py` and to the assets. What a step of a provider records is in
`sync_runs.py`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from d118_pipelines.config.hearing import Hearing
from d118_pipelines.config.project import Project
from d118_pipelines.config.run_limits import RunLimits, runs_at_a_time
from d118_pipelines.errors import BusyError
from d118_pipelines.kernel.after_commit import Warn, after_commit, log_warning
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.state.database import Database, clock_warning
from d118_pipelines.state.leases import Leases
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import refuse_paused
from d118_pipelines.state.progress import (
    Progress,
    begin_progress,
    note_progress,
    progress_of,
)
from d118_pipelines.targets.definition_checks import SCIM_NAME
from d118_pipelines.workflows.runs.run_events import RunEvent, hearing_of, tell_event

HARD_LIMIT, SOFT_LIMIT = "dagster/max_runtime", "d118/soft_limit"
LAUNCHED = "launched"
"""The audit's word for a run that a person made in Dagster's UI; the object is its id."""
CLEANUP_JOB = "cleanup_old_jobs"
"""The daily job that removes what is too old; it is about no target or provider."""
_KINDS = {
    **dict.fromkeys(("exports", "deliveries", "scim", "results"), "target"),
    **dict.fromkeys(("staged", "roster"), "provider"),
    "raw": "raw",
}


def _seen_by_nobody(text: str) -> None:
    """Of a run that Dagster does not show."""


@dataclass(frozen=True)
class Run:
    """A run of providers or targets: the project as read once, and who started it.

    Use it inside `with run.leases:`, which gives back what the run holds. target: the
    one that the run is for; empty for a provider's run and for a run of several.
    refused: why it may not work at all. waits: for a slot, where all are taken; else it
    is refused. warn: is told what a person should know and no step raises. names: of
    all its targets and providers. show: is told how far the run has come. hearings: who
    else is.
    """

    project: Project
    run_id: str
    actor: Actor
    target: str = ""
    refused: BusyError | None = None
    waits: bool = False
    leases: Leases = field(default_factory=Leases)
    warn: Warn = log_warning
    names: tuple[str, ...] = ()
    show: Callable[[str], None] = _seen_by_nobody
    hearings: dict[str, tuple[Hearing, bool]] = field(default_factory=dict)

    @cached_property
    def database(self) -> Database:
        """The state database, opened when a step first needs it."""
        return state_database(self.project)

    def hold(self, name: str) -> bool:
        """Hold the lease of a provider or target from now on; True if it is new.

        Raises: BusyError if another run is at work, now or when it was first asked, or
        as many as may be; PausedError if it is paused now.
        """
        if self.refused:
            raise self.refused
        with self.database.reading() as connection:
            refuse_paused(connection, name, self.project.district().zone)
        is_new = self.leases.hold(self.database, name, self.run_id, self.warn)
        if is_new:
            self.leases.take_slot(
                self.database,
                self.project.district().id,
                self.run_id,
                most=runs_at_a_time(),
                waits=self.waits,
                warn=self.warn,
            )
            begun = self._event(name)
            with self.database.transaction() as connection:
                names = self.names or (name,)
                begin_progress(connection, self.run_id, names, utc_now())
                tell_event(connection, self.project, *begun)
            with self.database.reading() as connection:
                if text := clock_warning(connection, utc_now()):
                    self.warn(text)
        return is_new

    def note(self, name: str, percent: int, step: str, rows: int = 0) -> None:
        """Say how far a target or provider has come; what fails here fails no run."""
        noted = Progress(percent, step, rows)
        with after_commit("Noting the progress", self.warn):
            told = self._event(name, percent=percent, step=step)
            with self.database.transaction() as connection:
                note_progress(connection, self.run_id, name, noted, utc_now())
                tell_event(connection, self.project, *told)
                whole = progress_of(connection, self.run_id)
            if whole is not None:
                self.show(f"{whole.percent} % {step}")

    def _event(
        self, name: str, *, percent: int | None = None, step: str = ""
    ) -> tuple[Hearing, RunEvent]:
        """That the run has begun, or how far it is, and who wants to hear it.

        Made before the transaction that tells it: a target's file is read, once.
        """
        if name not in self.hearings:
            self.hearings[name] = hearing_of(self.project, name)
        hearing, is_target = self.hearings[name]
        event = RunEvent(name, self.run_id, "IN_PROGRESS", is_target, percent, step)
        return hearing, event


def run_tags(
    job: str,
    assets: Iterable[Sequence[str]],
    given: Mapping[str, str],
    *,
    district: str,
    is_shell: bool,
    launched_by: str = "",
) -> dict[str, str]:
    """What a run is for and who started it, from what Dagster alone sets.

    job, assets: the run's job, and the keys chosen for a job without a name of ours.
    given: the run's tags; of these no `sis/*` is believed, since whoever launches a run
    may type one. launched_by: who did, where the audit log knows; no tag counts then.
    """
    trigger, by = "manual", account() if is_shell else f"ui/{account()}"
    for kind in ("schedule", "sensor"):
        if name := given.get(f"dagster/{kind}_name"):
            trigger, by = kind, name
    if launched_by:
        trigger, by = "manual", launched_by
    return {
        # A run keeps every tag that it was given, so ours are emptied.
        **{key: "" for key in given if key.startswith("sis/")},
        **_subjects(job, assets),
        "sis/district": district,
        "sis/trigger": trigger,
        "sis/triggered_by": by,
    }


def _subjects(job: str, assets: Iterable[Sequence[str]]) -> dict[str, str]:
    """`sis/target` and `sis/provider`; several names are separated by commas."""
    if job.startswith("sync_"):
        return {"sis/provider": job.removeprefix("sync_")}
    if job == CLEANUP_JOB:
        return {}
    if not job.startswith("__"):  # as Dagster names a run of chosen assets
        return {"sis/target": job}
    found: dict[str, set[str]] = {"target": set(), "provider": set(), "raw": set()}
    for layer, system, *_ in assets:
        kind = _KINDS.get(layer)
        if kind:
            found[kind].add(SCIM_NAME if layer == "scim" else system)
    if not found["target"] | found["provider"]:
        found["provider"] = found["raw"]
    return {
        f"sis/{kind}": ", ".join(sorted(found[kind]))
        for kind in ("target", "provider")
        if found[kind]
    }


def limit_tags(limits: RunLimits) -> dict[str, str]:
    """The tags of a job by which Dagster, and the run itself, end what takes too long."""
    return {HARD_LIMIT: str(limits.run_seconds), SOFT_LIMIT: str(limits.stops_after)}


def limits_of(tags: Mapping[str, str]) -> tuple[int, int]:
    """Soft and hard limit of a run in seconds; the defaults where its job has none."""
    usual = limit_tags(RunLimits())
    found = [tags.get(key, usual[key]) for key in (SOFT_LIMIT, HARD_LIMIT)]
    soft, hard = (int(text) if text.isdecimal() else 0 for text in found)
    return (
        (soft, hard) if 0 < soft < hard else (RunLimits().stops_after, max(hard, 3600))
    )


def actor_of(tags: Mapping[str, str]) -> Actor:
    """Who started a run, by the tags that `run_tags` made."""
    return Actor(tags["sis/triggered_by"], is_manual=tags["sis/trigger"] == "manual")


def account() -> str:
    """The operating system's name for who runs this, else the number of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"
