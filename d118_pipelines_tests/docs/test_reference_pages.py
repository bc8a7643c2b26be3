"""The pages name files, commands, layouts and faults that exist."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from d118_pipelines.cli.app import app
from d118_pipelines.targets.definition import read_targets
from d118_pipelines_tests.docs.markdown import (
    DOCS,
    REPOSITORY,
    page,
    tables,
    tables_headed,
)

PAGES = [
    *sorted(DOCS.rglob("*.md")),
    *(REPOSITORY / name for name in ("SECURITY.md", "CONTRIBUTING.md")),
]
TARGETS = {target.name: target for target in read_targets(REPOSITORY)}

every_page = pytest.mark.parametrize(
    "path", PAGES, ids=[str(path.relative_to(REPOSITORY)) for path in PAGES]
)


@every_page
def test_links_lead_to_files_that_exist(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8"))

    missing = [
        link
        for link in links
        if not link.startswith("http") and not (path.parent / link).exists()
    ]
    assert missing == []


@functools.cache
def commands() -> Any:
    """The commands of `d118`, as click has them."""
    return typer.main.get_command(app)


@functools.cache
def named_tests() -> frozenset[str]:
    """The names of all tests."""
    folder = REPOSITORY / "d118_pipelines_tests"
    text = "".join(p.read_text(encoding="utf-8") for p in folder.rglob("test_*.py"))
    return frozenset(re.findall(r"^def (test_\w+)", text, re.M))


@every_page
def test_commands_exist(path: Path) -> None:
    group = commands()
    text = re.sub(r"(d118) --project [^\s`]+", r"\1", path.read_text(encoding="utf-8"))

    for words in re.findall(r"(?:`|^|/)d118 ([a-z-]+)(?: ([a-z-]+))?", text, re.M):
        command = group.commands.get(words[0])
        assert command is not None, f"d118 {words[0]}"
        is_alone = words[1].startswith("-") or not words[1]
        if hasattr(command, "commands") and not (
            is_alone and command.invoke_without_command
        ):
            assert words[1] in command.commands, f"d118 {' '.join(words)}"


@every_page
def test_every_test_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"`(test_[a-z]\w+)`", path.read_text(encoding="utf-8")))
    tests = named_tests()

    # Pages on faults shorten a name to its number: test_h01.
    found = {name for name in named if any(one.startswith(name) for one in tests)}
    assert named - found == set()


def fault_tests() -> set[str]:
    """The names of all tests of faults."""
    folder = REPOSITORY / "d118_pipelines_tests/faults"
    text = "".join(p.read_text(encoding="utf-8") for p in folder.glob("test_*.py"))
    return set(re.findall(r"^def (test_\w+)", text, re.M))


def numbers(cells: list[str]) -> list[int]:
    """The numbers of cells such as `1, 5, 10` and `8-17`, in ascending order."""
    found: list[int] = []
    for part in ", ".join(cells).split(", "):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return sorted(found)


@pytest.mark.parametrize(
    ("name", "table", "target", "file"),
    [
        ("hr_records", "#/column/value", "hr_records", 0),
        ("smartfind_express", "#/field/employee/substitute", "smartfind", 0),
        ("smartfind_express", "#/field/value", "smartfind", 2),
    ],
)
def test_layout_lists_every_column_once(
    name: str, table: str, target: str, file: int
) -> None:
    [rows] = tables_headed(page(f"reference/{name}.md"), *table.split("/"))

    columns = TARGETS[target].model.files[file].columns
    expected = list(range(1, len(columns) + 1))
    assert numbers([row["#"] for row in rows]) == expected


def test_header_lines_on_the_page_are_those_of_the_files() -> None:
    text = page("reference/hr_records.md")

    for file in TARGETS["hr_records"].model.files:
        header = "⇥".join(column.header for column in file.columns)
        assert f"```text\n{header}\n```" in text


@pytest.mark.parametrize(
    ("name", "letter", "count"),
    [("hr_records", "H", 14), ("smartfind_express", "S", 26)],
)
def test_every_fault_of_the_earlier_script_names_its_test(
    name: str, letter: str, count: int
) -> None:
    headings = ("id", "the earlier script", "now", "test")
    [rows] = tables_headed(page(f"reference/{name}.md"), *headings)

    ids = [f"{letter}{number}" for number in range(1, count + 1)]
    assert [row["id"] for row in rows] == ids
    named = {row["id"]: row["test"].strip("`") for row in rows}
    for number, test in enumerate(named.values(), start=1):
        assert f"{letter.lower()}{number:02}" in test.split("_")
    tests = fault_tests()
    missing = [t for t in named.values() if not any(x.startswith(t) for x in tests)]
    assert missing == []


@pytest.mark.parametrize("name", ["hr_records", "smartfind_express"])
def test_rules_stand_on_the_page_in_the_order_of_the_yaml(name: str) -> None:
    target = TARGETS[name.removesuffix("_express")]
    [rows] = [t for t in tables(page(f"reference/{name}.md")) if "the person" in t[0]]

    shown = re.findall(r"`([a-z_]+)`", " ".join(row["code"] for row in rows))

    stopping = [r.code for r in target.model.rules if r.action != "report"]
    assert shown == stopping
