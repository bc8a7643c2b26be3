"""A project whose roster comes from files and goes to a SCIM service.

Belongs here: the run without Dagster, and a run in a process of its own that kills
itself. Not here: the services (`scim_server.py`, `scripted_scim.py`).

    python -m d118_pipelines_tests.support.scim_project ROOT RUN_ID KILL_AT
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.model.tables import ENTITY_TABLES
from d118_pipelines.state import database as db
from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines.workflows.targets.deliver import deliver_plan
from d118_pipelines.workflows.targets.deliveries import delivery_of
from d118_pipelines.workflows.targets.scim import SentUsers, Users
from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.roster_sync import PEOPLE_ONLY, RosterProject
from d118_pipelines_tests.support.scim_server import TOKEN
from d118_pipelines_tests.support.scripted_http import Reply, Request
from d118_pipelines_tests.support.scripted_scim import ScriptedScim
from d118_pipelines_tests.support.shared import made_once
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

YAML = "mappings/targets/scim.yaml"


class ScimProject(RosterProject):
    """A project with the target `scim` alone, and so many students and a teacher."""

    def __init__(self, root: Path, students: int, *, url: str = "") -> None:
        super().__init__(root, PROVIDER | {"sync": PEOPLE_ONLY}, url=url)
        for path in (root / "mappings/targets").glob("*.yaml"):
            if path.stem != "scim":
                path.unlink()
        self.read(students)

    def copied(self, root: Path) -> ScimProject:
        """A project that begins with all that this one has: cheaper than a sync."""
        plain = super().copied(root)
        other = object.__new__(ScimProject)
        other.__dict__ = dict(plain.__dict__)
        return other

    def read(self, students: int, **options: Any) -> None:
        """Let the roster be another one; options as of `put_set`."""
        put_set(self.root, students, **options)
        self.sync("files")

    def serve_by(self, base_url: str) -> None:
        """Let the users go to this service."""
        self.environment |= {"SCIM_BASE_URL": base_url, "SCIM_TOKEN": TOKEN}

    def send(self) -> SentUsers:
        """Export and provision, as a run does."""
        run_id = self.export("scim").plan.run_id
        with self.entered():
            way = users_of(self.project, self.target("scim"), pauses=(0.1,) * 3)
            return deliver_plan(way, run_id=run_id).report

    def send_and_die(self, at: int) -> None:
        """Export, then provision in a process that dies at the nth look at the clock."""
        run_id = self.export("scim").plan.run_id
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(self.root), run_id, str(at)],
            cwd=REPOSITORY,
            env=self.variables({"PYTHONPATH": str(REPOSITORY)}),
            timeout=400,
        )
        assert done.returncode == -signal.SIGKILL

    def statuses(self, entity: str = "users", provider: str | None = None) -> Any:
        """Status at the provider -> number of users."""
        rows = self.sql(
            "SELECT coalesce(scim_status, ''), count(*) FROM users GROUP BY 1"
        )
        return dict(rows)

    def scim_ids(self) -> dict[str, str]:
        """Internal id -> id at the service, of users that have one."""
        users = self.rows(ENTITY_TABLES["users"])
        return {user.id: user.scim_id for user in users if user.scim_id}

    def entries(self) -> dict[str, str]:
        """Internal id -> state in the ledger."""
        return {entry.key: entry.state for entry in self.rows(db.delivery_ledger)}


def shared_scim_project(factory: pytest.TempPathFactory, students: int) -> ScimProject:
    """The project that all tests with so many students begin a copy of."""
    name = f"scim-{students}"
    return ScimProject.at(made_once(factory, name, lambda f: ScimProject(f, students)))


@contextmanager
def serving(project: ScimProject, service: ScriptedScim) -> Iterator[ScriptedScim]:
    """Let the users of the project go to the service."""
    with service.server() as server:
        project.serve_by(server.url)
        yield service


class Refusing:
    """A fault: the service answers this to every request with users of these names."""

    def __init__(self, reply: Reply, *names: str) -> None:
        self.names, self._reply = set(names), reply

    def __call__(self, request: Request) -> Reply | None:
        body = json.loads(request.body) if request.body else {}
        return self._reply if body.get("userName") in self.names else None


def users_of(project: Project, target: Target, **changes: Any) -> Users:
    """The target's way to deliver, with other values."""
    way = delivery_of(project, target)
    assert isinstance(way, Users)
    return replace(way, **changes)


def _die(root: Path, run_id: str, kill_at: int) -> None:
    looks = 0

    def clock() -> dt.datetime:
        nonlocal looks
        looks += 1
        if looks == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return utc_now()

    os.chdir(root)
    target = read_target(root / YAML, root / "sql/exports")
    way = users_of(Project(root, root / "var"), target, clock=clock)
    deliver_plan(way, run_id=run_id)


if __name__ == "__main__":
    _die(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
