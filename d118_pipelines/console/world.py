"""What all routes of the console share: the project, its databases, sessions, Dagster.

Made by `console_server.py`; handed to `front.py` and to the routes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from anyio.from_thread import run
from fastapi import Depends, Request

from d118_pipelines.config.console import ConsoleSettings
from d118_pipelines.config.project import Project
from d118_pipelines.console.sessions import Sessions
from d118_pipelines.kernel.attempts import Attempts
from d118_pipelines.service import graphql
from d118_pipelines.service.guard import App
from d118_pipelines.state import audit
from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import ask_to_stop
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.all_feeds import Feeds, load_feeds
from d118_pipelines.workflows.monitoring.health import DagsterFacts
from d118_pipelines.workflows.monitoring.sync_listing import Sync, syncs
from d118_pipelines.workflows.runs.run_history import RunHistory

LOOKED_AT = 500
"""Of Dagster's runs, so many of the newest."""
_READ_FOLDERS = ("config", "mappings", "sql")


@dataclass
class World:
    """One project's console. dagster: Dagster's web server, below `/dagster`."""

    root: Project
    settings: ConsoleSettings
    dagster: App
    attempts: Attempts = field(default_factory=Attempts)
    _known: tuple[int, Feeds, Project] | None = None

    @cached_property
    def sessions(self) -> Sessions:
        """The open sessions."""
        return Sessions(self.settings.secret_key, self.database)

    @cached_property
    def database(self) -> Database:
        """The state database."""
        return state_database(self.root)

    @cached_property
    def instance(self) -> Any:
        """Dagster's instance, open as long as the console."""
        from d118_pipelines.instance import dagster_instance

        return dagster_instance(self.root)

    @property
    def project(self) -> Project:
        """The project as its files are now."""
        return self._read()[1]

    @property
    def feeds(self) -> Feeds:
        """Targets and providers as the files are now."""
        return self._read()[0]

    def _read(self) -> tuple[Feeds, Project]:
        """Both as read once, again when a file has changed."""
        mark = hash(tuple(self._marks()))
        known = self._known
        if known is None or known[0] != mark:
            project = self.root.fresh()
            known = self._known = (mark, load_feeds(project), project)
        return known[1], known[2]

    def _marks(self) -> Iterator[tuple[str, int, int]]:
        for folder in _READ_FOLDERS:
            for path in sorted(Path(self.root.root / folder).rglob("*")):
                stat = path.stat()
                yield str(path), stat.st_mtime_ns, stat.st_size

    def syncs(
        self, providers: Collection[str] = (), run_id: str = "", **page: int
    ) -> tuple[list[Sync], int]:
        """A page of syncs, newest first, and how many there are. See `sync_listing`."""
        from d118_pipelines.instance import seen_runs

        seen = seen_runs(self.instance, LOOKED_AT)
        with self.database.reading() as connection:
            return syncs(connection, seen, providers, run_id, **page)

    def dagster_facts(self) -> DagsterFacts:
        """What health and workers need to know of Dagster."""
        from d118_pipelines.instance import facts_of

        return facts_of(self.instance, self.project)

    @contextmanager
    def history(self, limit: int | None = LOOKED_AT) -> Iterator[RunHistory]:
        """All that ran, as Dagster and the state database know it."""
        from d118_pipelines.instance import history_of

        with history_of(self.instance, self.root, limit=limit) as history:
            yield history

    def launch(self, job: str, *, account: str, subject: str) -> str:
        """Launch a job of Dagster; returns the run's id.

        It is in the audit before it begins.
        Raises: ConfigurationError if Dagster does not know the job; FatalError.
        """
        self.record(account, "launch", subject)
        return run(graphql.launch, self.dagster, job)

    def stop(self, run_id: str, *, account: str) -> None:
        """Ask a run to stop. Raises: FatalError."""
        self.record(account, "cancel", run_id)
        if problem := run(graphql.stop, self.dagster, run_id):
            with self.database.transaction() as connection:
                if ask_to_stop(connection, run_id, account):
                    return  # a shell started it: it finds the request in its lease
            raise graphql.refused(f"Dagster did not stop the run ({problem}).")

    def reload(self) -> None:
        """Let Dagster read the files again, so that assets and schedules follow them."""
        run(graphql.reload, self.dagster)

    def record(self, account: str, action: str, subject: str, detail: str = "") -> None:
        """Tell the audit who did what. Every write of the console calls this, or a
        function of another room that tells the audit itself.
        """
        audit.record_alone(
            self.database,
            actor=account,
            action=action,
            subject=subject,
            detail=detail,
        )


def world_of(request: Request) -> World:
    """What all routes share."""
    found: World = request.app.state.world
    return found


Here = Annotated[World, Depends(world_of)]
