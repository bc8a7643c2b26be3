"""A temporary project folder and the command lines in it.

Belongs here: a copy of what an operator edits, an environment without anybody's
settings, and `d118` and `dagster` as a person starts them. Not here: people
(`district.py`), a sync without Dagster (`sync.py`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import sqlalchemy as sa
import yaml

from d118_pipelines.cli import app as cli
from d118_pipelines.config.project import Project
from d118_pipelines.delivery.files import DeliveryReport
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines.workflows.providers.powerschool_source import extract, read_query
from d118_pipelines.workflows.targets.deliver import Delivered, deliver_plan
from d118_pipelines.workflows.targets.deliveries import file_set_of
from d118_pipelines.workflows.targets.export import MadeExport, make_export
from d118_pipelines_tests.support.district import Person, write_tables

REPOSITORY = Path(__file__).parents[2]
PARTS = (
    "config",
    "mappings",
    "sql",
    "dagster.yaml",
    "workspace.yaml",
    "pyproject.toml",
)
OF_STAFF = ("hr_records", "smartfind")
HANGS_AFTER_SECONDS = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command left behind: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output read as JSON."""
        return json.loads(self.out)


class ProjectFolder:
    """A project of its own; `environment` holds the settings of its commands.

    Its PowerSchool is the folder `tables`, it has no provider of rosters until
    `set_providers`, and no target but those of staff. Without people it is the
    repository as it is: the demonstration district with its roster.
    """

    def __init__(self, root: Path, people: Iterable[Person] | None = None) -> None:
        self.root = root
        self.environment: dict[str, str] = {}
        root.mkdir(parents=True)
        for part in PARTS:
            source = REPOSITORY / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, root / part)
        if people is not None:
            self.set_people(people)
            self.set_providers()
            for path in (root / "mappings/targets").glob("*.yaml"):
                if path.stem not in OF_STAFF:
                    path.unlink()

    @classmethod
    def at(cls, root: Path) -> Self:
        """The project that another process made in this folder."""
        project = object.__new__(cls)
        project.root = root
        project.environment = {}
        if (root / "tables").is_dir():
            project.environment["POWERSCHOOL_CSV_DIR"] = str(root / "tables")
        return project

    def copied(self, root: Path) -> ProjectFolder:
        """A project that begins with all that this one has: cheaper than runs."""
        shutil.copytree(self.root, root, symlinks=True)
        other = ProjectFolder.at(root)
        other.environment = {**self.environment, **other.environment}
        return other

    @property
    def home(self) -> Path:
        """Where the project writes."""
        return self.root / "var"

    @property
    def project(self) -> Project:
        """The project as the package sees it."""
        return Project(self.root, self.home)

    def set_people(self, people: Iterable[Person]) -> None:
        """Replace PowerSchool's tables."""
        write_tables(self.root / "tables", people)
        self.environment["POWERSCHOOL_CSV_DIR"] = str(self.root / "tables")

    def set_providers(self, *entries: Mapping[str, Any]) -> None:
        """Replace config/providers.yaml."""
        text = yaml.safe_dump({"providers": list(entries)}, sort_keys=False)
        (self.root / "config/providers.yaml").write_text(text, encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that stands in the file exactly once."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {text.count(old)} times: {old}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def export(self, target: str) -> MadeExport:
        """Extract and export as a run does, but without Dagster: ten times as fast."""
        wanted = self.target(target)
        run_id = uuid.uuid4().hex
        with self.entered():
            for parts in wanted.reads:
                query = read_query(self.project, parts[-1])
                extract(self.project, query, run_id=run_id)
            return make_export(self.project, wanted, run_id=run_id, now=utc_now())

    def deliver(self, target: str) -> Delivered[DeliveryReport]:
        """Extract, export and deliver as a run does, but without Dagster."""
        return self.deliver_made(target, self.export(target).plan.run_id)

    def deliver_made(self, target: str, run_id: str) -> Delivered[DeliveryReport]:
        """Deliver what `export` made in that run."""
        with self.entered():
            way = file_set_of(self.project, self.target(target))
            return deliver_plan(way, run_id=run_id)

    def target(self, name: str) -> Target:
        """The target as its YAML file says now."""
        path = self.root / "mappings/targets" / f"{name}.yaml"
        return read_target(path, self.root / "sql/exports")

    def rows(self, table: sa.Table) -> list[sa.Row[tuple[Any, ...]]]:
        """All rows of a table of the state database."""
        with state_database(self.project).transaction() as connection:
            return list(connection.execute(sa.select(table)).all())

    def change_state(self, statement: sa.Executable) -> None:
        """Change the state database behind the project's back."""
        with state_database(self.project).transaction() as connection:
            connection.execute(statement)

    def outbox(self, target: str) -> dict[str, bytes]:
        """The files that were delivered to the outbox, by name."""
        folder = self.home / "outbox" / target
        return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}

    @contextlib.contextmanager
    def entered(self, **more: str) -> Iterator[None]:
        """Be in the folder, with its environment and nothing else."""
        variables = self.variables(more)
        with (
            contextlib.chdir(self.root),
            patch.dict(os.environ, variables, clear=True),
        ):
            yield

    def d118(self, *args: str, **more: str) -> Answer:
        """`d118 ARGS` in this process, by its own entry point; `more` adds variables."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            self.entered(**more),
            patch.object(sys, "argv", ["d118", *args]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                cli.main()
            except SystemExit as exc:
                code = exc.code if isinstance(exc.code, int) else int(bool(exc.code))
        return Answer(code, out.getvalue(), err.getvalue())

    def run_d118(self, *args: str, **more: str) -> Answer:
        """`d118 ARGS` as a process of its own."""
        return self._finished(self.start_d118(*args, **more))

    def run_dagster(self, *args: str, **more: str) -> Answer:
        """`dagster ARGS` as a process of its own."""
        return self._finished(self._start([program("dagster"), *args], more))

    def start_d118(self, *args: str, **more: str) -> subprocess.Popen[str]:
        """Begin `d118 ARGS` as a process of its own and do not wait for it."""
        return self._start([program("d118"), *args], more)

    def finished(self, process: subprocess.Popen[str]) -> Answer:
        """Wait for a process that `start_d118` began."""
        return self._finished(process)

    def _start(
        self, command: list[str], more: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.variables(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _finished(self, process: subprocess.Popen[str]) -> Answer:
        try:
            out, err = process.communicate(timeout=HANGS_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return Answer(process.returncode, out, err)

    def variables(self, more: Mapping[str, str]) -> dict[str, str]:
        basis = {"PATH": os.environ["PATH"], "HOME": str(self.root), "LANG": "C.UTF-8"}
        basis["TMPDIR"] = tempfile.gettempdir()
        return {**basis, **self.environment, **more}


def program(name: str) -> str:
    """A command that is installed beside this Python."""
    return str(Path(sys.executable).with_name(name))
