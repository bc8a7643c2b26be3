"""Which room may import what; read from the source, so that no import is needed."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from d118_pipelines_tests.support.project import REPOSITORY

PACKAGE = REPOSITORY / "d118_pipelines"
TESTS = REPOSITORY / "d118_pipelines_tests"
MODULES = sorted(PACKAGE.rglob("*.py"))
DAGSTER_NOUNS = {
    "definitions.py",
    "jobs.py",
    "schedules.py",
    "sensors.py",
    "resources.py",
    "loggers.py",
    "instance.py",
}
RUN_COMMAND = "cli/run.py"
# Whoever imports one of these may talk to another machine.
SOCKETS = {"socket", "httpx", "smtplib", "paramiko", "oracledb", "requests", "urllib3"}
HEAVY = {"duckdb", "pyarrow", "oracledb", "paramiko", "pandas", "sqlglot", "httpx"}
# What may stand at the package's root: Dagster's nouns, the errors, the reading API.
ROOT_FILES = DAGSTER_NOUNS | {"__init__.py", "errors.py", "read.py"}
ROSTER = ["roster/model", "roster/staging", "roster/planning", "roster/store"]
BELOW_ROSTER = {"state", "config", "kernel", "errors"}
WORKFLOWS = [
    f"workflows/{part}"
    for part in ("runs", "providers", "targets", "monitoring", "people", "upkeep")
]
JOINED = {*ROSTER, "sources", "targets", "delivery", "ssh", "demo", *BELOW_ROSTER}
# Room -> the rooms it may import, and itself. docs/architecture.md has the same table.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "kernel": {"errors"},
    "config": {"kernel", "errors"},
    "state": {"config", "kernel", "errors"},
    "ssh": {"config", "kernel", "errors"},
    "sources": {"ssh", "config", "kernel", "errors"},
    "delivery": {"ssh", "config", "kernel", "errors"},
    "demo": {"sources", "kernel", "errors"},
    "targets": BELOW_ROSTER,
    **{room: {*ROSTER[:place], *BELOW_ROSTER} for place, room in enumerate(ROSTER)},
    **{room: {*WORKFLOWS[:place], *JOINED} for place, room in enumerate(WORKFLOWS)},
    "service": {"workflows/runs", *BELOW_ROSTER},
    "console": {"service", *WORKFLOWS, "dagster", *BELOW_ROSTER},
    "read": {*WORKFLOWS, *JOINED},
    "dagster": {*WORKFLOWS, *JOINED},
    "cli": {*WORKFLOWS, "dagster", "console", "service", "read", *JOINED},
}
VAGUE = {"utils", "util", "common", "misc", "helpers", "helper", "base", "core", "lib"}


@dataclass(frozen=True, slots=True)
class Import:
    """One import: the full name, whether inside a function, whether for types only."""

    name: str
    is_inner: bool
    is_for_types: bool


def imports(path: Path) -> list[Import]:
    return list(_imports(parsed(path), False, False))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(node: ast.AST, is_inner: bool, is_for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, is_inner, is_for_types)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            for alias in child.names:
                yield Import(f"{child.module}.{alias.name}", is_inner, is_for_types)
        else:
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(
                child.test
            )
            yield from _imports(child, is_inner or inner, is_for_types or types)


def place(path: Path) -> str:
    """The module's place below the package, as `cli/app.py`."""
    return path.relative_to(PACKAGE).as_posix()


@pytest.fixture(scope="module")
def modules() -> dict[str, list[Import]]:
    """Place of every module of the package and its imports."""
    return {place(path): imports(path) for path in MODULES}


Modules = dict[str, list[Import]]


def early(found: list[Import]) -> set[str]:
    """The libraries that are loaded together with the module."""
    return {
        i.name.split(".")[0] for i in found if not i.is_inner and not i.is_for_types
    }


@pytest.mark.long
def test_dagster_stays_in_its_rooms(modules: Modules) -> None:
    users = {
        name
        for name, found in modules.items()
        if any(i.name.split(".")[0] == "dagster" for i in found)
    }

    assert users >= DAGSTER_NOUNS
    rest = users - DAGSTER_NOUNS - {RUN_COMMAND}
    assert {name for name in rest if not name.startswith("assets/")} == set()
    assert "dagster" not in early(modules[RUN_COMMAND])


def test_no_private_part_of_dagster_is_used(modules: Modules) -> None:
    for name, found in modules.items():
        assert not [i for i in found if i.name.startswith("dagster._")], name


def room(module: str) -> str:
    """The room of `d118_pipelines.a.b` or of `a/b.py`: `dagster` for its nouns."""
    parts = module.removesuffix(".py").replace("/", ".").split(".")
    if parts[0] == "d118_pipelines":
        parts = parts[1:]
    if not parts or f"{parts[0]}.py" in DAGSTER_NOUNS or parts[0] == "assets":
        return "dagster"
    has_parts = parts[0] in {"roster", "workflows"}
    is_part = has_parts and len(parts) > 1 and parts[1] != "__init__"
    return "/".join(parts[:2]) if is_part else parts[0]


def test_only_dagsters_nouns_the_errors_and_the_reading_api_stand_at_the_root() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} <= ROOT_FILES
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= {name.split("/")[0] for name in MAY_IMPORT} | {"assets"}


def test_no_arrow_runs_up(modules: Modules) -> None:
    for name, found in modules.items():
        own = room(name)
        rooms = {room(i.name) for i in found if i.name.startswith("d118_pipelines.")}
        assert rooms - {own} - MAY_IMPORT.get(own, set()) == set(), name


def test_nothing_imports_the_command_line(modules: Modules) -> None:
    for name, found in modules.items():
        inside = name.startswith("cli/")
        assert inside or not [i for i in found if room(i.name) == "cli"], name


@pytest.mark.long
@pytest.mark.parametrize("folder", [PACKAGE, TESTS], ids=["product", "tests"])
def test_no_circle_of_imports(folder: Path) -> None:
    """Imports inside functions and for types count: they are arrows to a reader too."""
    names = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts): path
        for path in folder.rglob("*.py")
    }
    arrows = {
        name: {
            target
            for i in imports(path)
            for target in (i.name, i.name.rpartition(".")[0])
            if target in names and target != name
        }
        for name, path in names.items()
    }

    graphlib.TopologicalSorter(arrows).prepare()  # a circle raises, with its names


def test_no_module_imports_from_the_tests(modules: Modules) -> None:
    for name, found in modules.items():
        assert "d118_pipelines_tests" not in {i.name.split(".")[0] for i in found}, name


def test_only_some_rooms_talk_to_other_machines(modules: Modules) -> None:
    talkers = {
        name.split("/")[0]
        for name, found in modules.items()
        if {i.name.split(".")[0] for i in found} & SOCKETS
    }

    assert talkers == {"sources", "delivery", "ssh", "state", "console", "service"}


def test_heavy_libraries_are_imported_where_they_are_used(modules: Modules) -> None:
    for name, found in modules.items():
        assert early(found) & HEAVY == set(), name


def test_modules_that_dagster_reads_keep_their_annotations(modules: Modules) -> None:
    # Dagster 1.13 cannot read annotations that are texts.
    for name, found in modules.items():
        if "dagster" in early(found):
            assert "__future__.annotations" not in {i.name for i in found}, name


def test_packages_give_on_nothing(modules: Modules) -> None:
    for name, found in modules.items():
        if name.endswith("__init__.py"):
            assert found == [], name


def test_every_module_says_what_it_is() -> None:
    for path in [*MODULES, *TESTS.rglob("*.py")]:
        assert ast.get_docstring(parsed(path)), path


def test_module_names_say_what_belongs_there() -> None:
    for path in MODULES:
        assert not {path.stem, path.parent.name} & VAGUE, path


@pytest.mark.long
def test_errors_are_caught_by_name() -> None:
    for path in MODULES:
        if place(path) == "assets/boundary.py":
            continue  # nothing unknown may be stored
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, path
                assert "Exception" not in ast.unparse(node.type).split("."), path
