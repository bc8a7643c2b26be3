"""A provider's sync from end to end in a project of its own, without Dagster.

Belongs here: `config/providers.yaml` of the test, the steps as the assets call them,
and what the roster's tables hold afterwards. Not here: sources (`oneroster_server.py`,
`clever_server.py`, `bundles.py`), facts. Time is the machine's; `age` moves what a test
wants older.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pyarrow.parquet as pq
import sqlalchemy as sa

from d118_pipelines.config.providers import Provider, load_providers
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.store.apply import ApplyResult
from d118_pipelines.roster.store.conflicts import list_conflicts, resolve_conflict
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import approve, latest_plan
from d118_pipelines.workflows.providers import sync
from d118_pipelines.workflows.providers.undo import UndoneRun, undo_provider
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    Quirks,
    TokenGate,
)
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.templates import new_state

ACTOR = Actor("tester")
Entry = dict[str, Any]
ROSTER = (
    *("orgs", "terms", "courses", "classes", "users", "enrollments", "demographics"),
    *("user_roles", "user_agents", "class_terms", "external_ids", "absent_once"),
    *("identity_conflicts", "roster_history", "roster_revision"),
)
COUNTS = ("created", "updated", "reactivated", "deactivated", "conflicts", "withheld")


class RosterProject(ProjectFolder):
    """A project whose rosters come from `providers`, entries as in providers.yaml.

    url: the roster database; the SQLite file of the project by default.
    """

    def __init__(self, root: Path, *providers: Entry, url: str = "") -> None:
        super().__init__(root)
        if not url:
            new_state(self.home / "d118.sqlite")
        self._settle(url)
        self.set_providers(*providers)

    @classmethod
    def at(cls, root: Path) -> Self:
        """The project that another process made in this folder, with its file."""
        project = super().at(root)
        project._settle("")
        return project

    def _settle(self, url: str) -> None:
        self.environment |= {"CLEVER_RATE_LIMIT": "0", "DATABASE_URL": url}
        self.run_id = ""

    def copied(self, root: Path) -> RosterProject:
        """A project that begins with all that this one has: cheaper than runs."""
        plain = super().copied(root)
        other = object.__new__(RosterProject)
        other.__dict__ = {**plain.__dict__, "run_id": self.run_id}
        return other

    def set_providers(self, *entries: Mapping[str, Any]) -> None:
        """Replace config/providers.yaml. `secrets` of an entry become variables."""
        for entry in entries:
            self.environment |= entry.get("secrets", {})
        super().set_providers(
            *({k: v for k, v in one.items() if k != "secrets"} for one in entries)
        )

    def provider(self, name: str) -> Provider:
        """The entry as the package reads it."""
        return next(p for p in load_providers(self.root)[0] if p.id == name)

    def pull(self, name: str) -> None:
        """Begin a run: read the source."""
        self.run_id = uuid.uuid4().hex
        with self.step() as run:
            sync.pull_provider(run, self.provider(name), lambda *_: None)

    @contextmanager
    def step(self) -> Iterator[Run]:
        """The run for one of its steps, as where each step is a process of its own."""
        run = Run(self.project, self.run_id, ACTOR)
        with self.entered(), run.leases:
            yield run

    def stage(self, name: str) -> Staged:
        """Read the source and stage it."""
        self.pull(name)
        with self.step() as run:
            staged = sync.stage_provider(run, self.provider(name))
        assert staged is not None, "out of term"
        return staged

    def plan(self, name: str) -> sync.PlannedRun:
        """Read, stage and compare; nothing is changed in the roster."""
        self.stage(name)
        with self.step() as run:
            return sync.plan_provider(run, self.provider(name))

    def apply(self, name: str) -> ApplyResult:
        """Carry out the plan that the last run made."""
        with self.step() as run:
            return sync.apply_provider(run, self.provider(name))

    def apply_alone(self, name: str) -> ApplyResult:
        """Carry out the newest plan in a run of its own."""
        self.run_id = uuid.uuid4().hex
        return self.apply(name)

    def sync(self, name: str) -> ApplyResult:
        """A whole run."""
        self.plan(name)
        return self.apply(name)

    def approve(self, name: str, plan_hash: str | None = None) -> None:
        """Approve the newest plan of a provider, or say the hash of another."""
        with self.entered(), state_database(self.project).transaction() as connection:
            plan = latest_plan(connection, name)
            approve(
                connection,
                plan,
                target=name,
                plan_hash=plan_hash or (plan.plan_hash if plan else ""),
                reason="looked at",
                account="tester",
                now=utc_now(),
                valid_hours=24,
            )

    def age_approvals(self, hours: float) -> None:
        """Let approvals be given so many hours earlier than they were."""
        earlier = dt.timedelta(hours=hours)
        table = db.plan_approvals
        for row in self.rows(table):
            times = {"expires_at": row.expires_at - earlier}
            change = table.update().where(table.c.id == row.id).values(times)
            self.change_state(change)

    def undo(self, name: str) -> UndoneRun:
        """Put back what the provider's last run changed."""
        with self.entered():
            return undo_provider(
                self.project, self.provider(name), uuid.uuid4().hex, ACTOR
            )

    def conflicts(self) -> list[dict[str, Any]]:
        """The open cases."""
        with self.entered(), state_database(self.project).reading() as connection:
            district = self.project.district().id
            return [dict(r) for r in list_conflicts(connection, district=district)]

    def resolve(self, case: str, resolution: str, record: str | None = None) -> None:
        """Close a case."""
        with self.entered(), state_database(self.project).transaction() as connection:
            resolve_conflict(
                connection,
                case,
                district=self.project.district().id,
                resolution=resolution,
                reason="asked the office",
                account="tester",
                now=utc_now(),
                record=record,
            )

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction on the state database, behind the project's back."""
        with self.entered(), state_database(self.project).transaction() as connection:
            yield connection

    def rows(self, table: sa.Table) -> list[sa.Row[tuple[Any, ...]]]:
        """All rows of a table of the state database."""
        with self.entered():
            return super().rows(table)

    def change_state(self, statement: sa.Executable) -> None:
        """Change the state database behind the project's back."""
        with self.entered():
            super().change_state(statement)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.entered(), state_database(self.project).reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def statuses(self, entity: str, provider: str | None = None) -> dict[str, str]:
        """External id of its owner -> status."""
        where = f"WHERE provider_id = '{provider}'" if provider else ""
        return dict(self.sql(f"SELECT external_id, status FROM {entity} {where}"))

    def ids(self, entity: str) -> dict[str, str]:
        """External id of its owner -> internal id."""
        rows = self.sql(f"SELECT external_id, id FROM {entity}")
        return {external: str(internal) for external, internal in rows}

    def links(self, provider: str, entity: str = "users") -> dict[str, tuple[str, str]]:
        """External id of the provider -> internal id and rule, of active links."""
        rows = self.sql(
            "SELECT external_id, internal_id, rule FROM external_ids WHERE active "
            f"AND provider_id = '{provider}' AND entity = '{entity}'"
        )
        return {external: (str(internal), rule) for external, internal, rule in rows}

    def runs(self, provider: str) -> list[tuple[str, str | None]]:
        """Status and error of its runs, oldest first."""
        return [
            (status, error)
            for status, error in self.sql(
                "SELECT status, error_message FROM sis_sync_runs "
                f"WHERE provider_id = '{provider}' ORDER BY started_at"
            )
        ]

    def dump(self, *tables: str) -> dict[str, list[str]]:
        """All rows of tables, those of the roster by default, as sorted texts."""
        return {
            table: sorted(map(repr, self.sql(f"SELECT * FROM {table}")))
            for table in tables or ROSTER
        }


def sync_together(*runs: tuple[RosterProject, str]) -> list[ApplyResult]:
    """Whole runs of several projects at the same time, in the first one's environment."""
    first = runs[0][0]
    with first.entered(), ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(lambda one: _whole_run(*one), runs))


def _whole_run(project: RosterProject, name: str) -> ApplyResult:
    provider, run = (
        project.provider(name),
        Run(project.project, uuid.uuid4().hex, ACTOR),
    )
    with run.leases:
        sync.pull_provider(run, provider, lambda *_: None)
        sync.stage_provider(run, provider)
        sync.plan_provider(run, provider)
        return sync.apply_provider(run, provider)


class SyncedDistrict:
    """A loopback OneRoster 1.1 server, and a project that was synced from it once.

    data: the server's collections by then. Each test begins with a copy.
    """

    def __init__(
        self, folder: Path, data: Mapping[str, list[Entry]], **entry: Any
    ) -> None:
        self.data = data
        self.server = OneRosterServer(data, gate=TokenGate())
        self._folder = folder
        self._entry = entry

    def __enter__(self) -> SyncedDistrict:
        self.server.__enter__()
        self.project = RosterProject(self._folder / "project", self.entry())
        self.first = self.project.sync("sis")
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    def begin(self, folder: Path, **entry: Any) -> RosterProject:
        """A copy of the project, the server as at first; `entry` changes the entry."""
        self.serve()
        project = self.project.copied(folder / "project")
        project.set_providers(self.entry(**entry))
        return project

    def entry(self, **changes: Any) -> Entry:
        """The provider's entry, with keys replaced."""
        return oneroster(self.server, **{**self._entry, **changes})

    def serve(self, **collections: list[Entry]) -> None:
        """Let the server have other rows in some of its collections, and no quirks."""
        self.server.quirks = Quirks()
        self.server.data = {**self.data, **collections}


PEOPLE_ONLY = {"sync_classes": False, "sync_enrollments": False}
"""Half the entities take half the time."""


def counts(result: ApplyResult, entity: str = "users") -> dict[str, int]:
    """What a run did to an entity; only figures that are not zero."""
    found = result.stats[entity]
    return {name: found[name] for name in COUNTS if found[name]}


def staged_rows(staged: Staged, entity: str) -> dict[str, dict[str, Any]]:
    """The staged rows of an entity by external id."""
    rows = pq.read_table(staged.folder / f"{entity}.parquet").to_pylist()
    return {row["external_id"]: row for row in rows}


def rejected_rows(staged: Staged) -> list[tuple[str, str | None, str]]:
    """Entity, external id and code of the rows that were set aside."""
    rows = pq.read_table(staged.folder / "rejected.parquet").to_pylist()
    found = [(r["entity"], r["external_id"], r["code"]) for r in rows]
    return sorted(found, key=repr)


def entry(name: str, kind: str, config: Mapping[str, Any], **more: Any) -> Entry:
    """One entry of providers.yaml."""
    first = {"id": name, "type": kind, "name": f"A source, {name}", "schedule": None}
    return {**first, "config": dict(config), **more}


def oneroster(
    server: OneRosterServer,
    name: str = "sis",
    *,
    version: str = "v1p1",
    config: Mapping[str, Any] | None = None,
    **more: Any,
) -> Entry:
    """An entry for a loopback server with a gate of tokens."""
    values = {
        "version": version,
        "baseUrl": server.url,
        "tokenEndpoint": server.token_url,
        "clientId": "client-id",
        "clientSecret": "${TEST_CLIENT_SECRET}",
        **(config or {}),
    }
    secrets = {"TEST_CLIENT_SECRET": "canary-client-secret"}
    return entry(name, "ONEROSTER_API", values, secrets=secrets, **more)


def files(folder: Path, name: str = "files", **more: Any) -> Entry:
    """An entry for a OneRoster CSV set in a folder."""
    return entry(name, "ONEROSTER_CSV", {"path": str(folder)}, **more)


def spreadsheets(folder: Path, name: str = "sheets", **more: Any) -> Entry:
    """An entry for plain CSV files in a folder."""
    return entry(name, "CSV", {"path": str(folder)}, **more)


def without(rows: Sequence[Entry], *identifiers: str) -> list[Entry]:
    """The rows of a OneRoster collection but for some."""
    return [row for row in rows if row["sourcedId"] not in identifiers]


def changed(rows: Sequence[Entry], key: str, /, **fields: Any) -> list[Entry]:
    """The rows with fields of one replaced."""
    return [{**r, **fields} if r["sourcedId"] == key else r for r in rows]
