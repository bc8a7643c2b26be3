"""docs/architecture.md has the rooms and arrows that test_architecture.py enforces."""

from __future__ import annotations

import pytest

from d118_pipelines_tests.docs.markdown import (
    REPOSITORY,
    Row,
    page,
    tables_headed,
    ticked,
)
from d118_pipelines_tests.test_architecture import MAY_IMPORT, PACKAGE

PAGE = page("architecture.md")
[ROWS] = tables_headed(PAGE, "room", "what is in it", "may import")
ROOMS = [ticked(row["room"])[0] for row in ROWS]


def documented(row: Row) -> set[str]:
    """The rooms that the row's room may import."""
    [own] = ticked(row["room"])
    named, cell = ticked(row["may import"]), row["may import"]
    if cell == "all other rooms":
        return {*ROOMS} - {own}
    if cell == "all rooms below":
        return {*ROOMS[ROOMS.index(own) + 1 :]}
    if cell.endswith(" and all rooms below it"):
        [first] = named
        return {*ROOMS[ROOMS.index(first) :]}
    parts = {n: [r for r in ROOMS if r.startswith(n.removesuffix("*"))] for n in named}
    return {r for n in named for r in (parts[n] if n.endswith("/*") else [n])}


def test_every_room_of_the_package_is_on_the_page_and_no_other() -> None:
    is_there = {
        name
        for name in MAY_IMPORT
        if name == "dagster"
        or (PACKAGE / name).is_dir()
        or (PACKAGE / f"{name}.py").is_file()
    }

    assert is_there <= set(ROOMS) <= set(MAY_IMPORT)
    assert len(set(ROOMS)) == len(ROOMS)


@pytest.mark.parametrize("row", ROWS, ids=ROOMS)
def test_the_page_says_what_each_room_may_import(row: Row) -> None:
    [own] = ticked(row["room"])

    assert documented(row) == MAY_IMPORT[own] & set(ROOMS)


def test_no_arrow_of_the_table_runs_up() -> None:
    for place, row in enumerate(ROWS):
        assert documented(row) <= set(ROOMS[place + 1 :]), row["room"]


def test_places_for_changes_exist() -> None:
    [rows] = tables_headed(PAGE, "to change", "go to")

    for name in {name for row in rows for name in ticked(row["go to"])}:
        if "<" in name or name.startswith("make "):
            continue
        places = (PACKAGE / name, REPOSITORY / name)
        assert any(path.exists() for path in places), name
