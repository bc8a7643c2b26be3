"""One target from tables to outbox in a temporary project, without Dagster or network.

Belongs here: driving extract, export and delivery as the assets do, with a clock that
the test holds. Not here: people and tables (`district.py`).
"""

from __future__ import annotations

import copy
import datetime as dt
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from d118_pipelines.config.project import Project
from d118_pipelines.config.yaml_files import shipped_yaml
from d118_pipelines.delivery.files import DeliveryReport
from d118_pipelines.kernel.finding import Finding
from d118_pipelines.sources.powerschool.pull import QueriesSource
from d118_pipelines.sources.powerschool.source import PowerSchoolSource, Query
from d118_pipelines.sources.pull import Pull, run_pull
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import Approval, approve, latest_plan
from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines.targets.ledger import import_seed
from d118_pipelines.targets.records import findings_of
from d118_pipelines.workflows.targets.deliver import Delivered, deliver_plan
from d118_pipelines.workflows.targets.deliveries import file_set_of
from d118_pipelines.workflows.targets.destinations import resolve
from d118_pipelines.workflows.targets.export import MadeExport, make_export
from d118_pipelines_tests.support.district import Person, write_tables
from d118_pipelines_tests.support.known_tables import KnownTables
from d118_pipelines_tests.support.templates import new_state

REPOSITORY = Path(__file__).parents[2]
FIRST_DAY = dt.datetime(2026, 11, 2, 11, 0, tzinfo=dt.UTC)
"""A Monday, 05:00 in the district."""
MINUTE = dt.timedelta(minutes=1)
NO_ADDRESS = "D118_TESTS_HAVE_NO_ADDRESS"
"""Nobody sets this variable: what tests deliver can only go to the outbox."""


class Sync:
    """A target in a project of its own; `now` is the time of everything it does.

    changes: dotted keys of the target's YAML and their values here, for example
    `{"options.deactivate_leavers": True}`. files: further files of the project, path to
    text, for a target that is not one of the project's own.
    """

    def __init__(
        self,
        folder: Path,
        target: str,
        people: Iterable[Person] = (),
        *,
        changes: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.name = target
        self.now = FIRST_DAY
        self.run_id = ""
        self._target: Target | None = None
        self._live_in(folder)
        _copy_project(self.project.root)
        new_state(self.project.home / "d118.sqlite")
        for name, text in (files or {}).items():
            path = self.project.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.change({"destination.address_env": NO_ADDRESS, **(changes or {})})
        self.set_people(people)

    def _live_in(self, folder: Path) -> None:
        self.folder = folder
        self.tables = folder / "tables"
        self.project = Project(folder / "project", folder / "home")

    def copied(self, folder: Path) -> Sync:
        """A sync of its own that begins with all that this one has: cheaper than runs."""
        other = copy.copy(self)
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        other._live_in(folder)
        other._target = None
        return other

    @property
    def yaml_file(self) -> Path:
        """The target's own copy of its definition."""
        return self.project.root / f"mappings/targets/{self.name}.yaml"

    @property
    def target(self) -> Target:
        """The target as its YAML file says now."""
        if self._target is None:
            sql_folder = self.project.root / "sql/exports"
            self._target = read_target(self.yaml_file, sql_folder)
        return self._target

    @property
    def outbox(self) -> Path:
        """Where the files arrive."""
        return self.project.home / "outbox" / self.name

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set keys of the YAML file; dots go down, numbers index lists."""
        data = shipped_yaml(self.yaml_file)
        for dotted, value in changes.items():
            *parents, last = dotted.split(".")
            place = data
            for part in parents:
                place = place[int(part) if part.isdigit() else part]
            place[last] = value
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
        self.yaml_file.write_text(text, encoding="utf-8")
        self._target = None

    def set_people(self, people: Iterable[Person]) -> None:
        """Replace PowerSchool's tables."""
        write_tables(self.tables, people)

    def next_day(self, days: int = 1) -> None:
        """Let days pass."""
        self.now += dt.timedelta(days=days)

    def pull(self, source: PowerSchoolSource | None = None) -> list[Pull]:
        """Start a run: extract whatever the target's SQL reads, from the tables."""
        self.run_id = uuid.uuid4().hex
        source = source or KnownTables(self.tables)
        extracts = []
        for parts in self.target.reads:
            path = self.project.root / f"sql/powerschool/{parts[-1]}.sql"
            # The resolved path is the same in every test: parsed only once.
            query = Query.read(path.resolve())
            extracts.append(
                run_pull(
                    QueriesSource(source, [query], sleep=lambda seconds: None),
                    self.project.folder(*parts),
                    provider="powerschool",
                    run_id=self.run_id,
                    now=self.now,
                )
            )
        return extracts

    def export(self) -> MadeExport:
        """Extract and build the files; nothing is sent."""
        self.pull()
        return self._make()

    def export_again(self) -> MadeExport:
        """Build the files from the newest extract, as a run of its own."""
        self.run_id = uuid.uuid4().hex
        return self._make()

    def _make(self) -> MadeExport:
        """Build the files; a minute passes."""
        made = make_export(self.project, self.target, run_id=self.run_id, now=self.now)
        assert made is not None, "out of term"
        self.now += MINUTE
        return made

    def deliver(self) -> Delivered[DeliveryReport]:
        """Send what this run made; a minute passes."""
        way = replace(file_set_of(self.project, self.target), clock=lambda: self.now)
        delivered = deliver_plan(way, run_id=self.run_id)
        self.now += MINUTE
        return delivered

    def run(self, people: Iterable[Person] | None = None) -> MadeExport:
        """Extract, export and deliver, after replacing the people where some are given."""
        if people is not None:
            self.set_people(people)
        made = self.export()
        self.deliver()
        return made

    def seed(self, newest_dcid: int) -> None:
        """Import a watermark for the present destination."""
        destination = resolve(self.project, self.target).id
        with state_database(self.project).transaction() as connection:
            import_seed(
                connection,
                target=self.name,
                destination=destination,
                newest_dcid=newest_dcid,
                now=self.now,
                account="tester",
            )
        self.now += MINUTE

    def approve(
        self, plan_hash: str | None = None, reason: str = "looked at"
    ) -> Approval:
        """Approve the newest plan, or say the hash of another."""
        with state_database(self.project).transaction() as connection:
            plan = latest_plan(connection, self.name)
            return approve(
                connection,
                plan,
                target=self.name,
                plan_hash=plan_hash or (plan.plan_hash if plan else ""),
                reason=reason,
                account="tester",
                now=self.now,
                valid_hours=24,
            )

    def files(self) -> dict[str, bytes]:
        """The content of the outbox by file name."""
        if not self.outbox.is_dir():
            return {}
        return {p.name: p.read_bytes() for p in sorted(self.outbox.iterdir())}

    def lines(self, file: str) -> list[str]:
        """The lines of one delivered file, without line ends."""
        return self.files()[file].decode("utf-8").splitlines()

    def findings(self) -> list[Finding]:
        """The findings of the newest plan, in their stored order."""
        with state_database(self.project).transaction() as connection:
            plan = latest_plan(connection, self.name)
            return findings_of(connection, plan) if plan else []

    def codes(self) -> set[tuple[str, str]]:
        """Code and key of every finding of the newest plan."""
        return {(finding.code, finding.key) for finding in self.findings()}

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a table of the state database."""
        with state_database(self.project).transaction() as connection:
            rows = connection.execute(sa.select(table).order_by(*table.primary_key))
            return [dict(row._mapping) for row in rows]

    def ledger(self) -> list[dict[str, Any]]:
        """All entries of the ledger."""
        return self.rows(db.delivery_ledger)

    def deliveries(self) -> list[dict[str, Any]]:
        """All deliveries, oldest first."""
        return sorted(self.rows(db.deliveries), key=lambda row: row["started_at"])

    def break_outbox(self) -> None:
        """Put a file where the outbox is, so that deliveries fail."""
        aside = self.outbox.with_name("aside")
        if self.outbox.is_dir():
            self.outbox.rename(aside)
        self.outbox.parent.mkdir(parents=True, exist_ok=True)
        self.outbox.touch()

    def mend_outbox(self) -> None:
        """Put the outbox back as it was."""
        aside = self.outbox.with_name("aside")
        self.outbox.unlink()
        if aside.is_dir():
            aside.rename(self.outbox)


def _copy_project(root: Path) -> None:
    (root / "config").mkdir(parents=True)
    shutil.copy(REPOSITORY / "config/district.yaml", root / "config")
    shutil.copytree(REPOSITORY / "mappings/targets", root / "mappings/targets")
    # The queries stay where they are; an export's folder may get further files.
    (root / "sql/exports").mkdir(parents=True)
    for folder in ("powerschool", "exports/hr_records", "exports/smartfind"):
        (root / "sql" / folder).symlink_to(REPOSITORY / "sql" / folder)
