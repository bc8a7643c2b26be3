"""Four golden rosters, three days each, against results that were written by hand.

Not here: what the sets hold and what is expected of them (`rosters/README.md`).
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from d118_pipelines_tests.golden.rosters.chain import (
    Chain,
    Day,
    parquet,
    plan_rows,
    staged_roster,
)
from d118_pipelines_tests.golden.rosters.expected import (
    HERE,
    differences,
    filled,
    line_differences,
    patched,
    read_lines,
    read_open,
    read_roster,
    without,
)
from d118_pipelines_tests.support.clever_server import CleverServer
from d118_pipelines_tests.support.examples import some

# The days of each source, in order; day 3 is day 2 once more.
DAYS = {
    "oneroster11": ["day1", "day2", "day2", "day1"],
    "oneroster12": ["day1", "day2"],
    "clever": ["day1", "day2", "day2"],
    "plain": ["day1", "day2", "day2"],
}
# 1.2 sets say these, 1.1 sets cannot.
ONLY_IN_12 = ("master_identifier", "preferred_first_name", "pronouns")
ROLES_DIFFER = ("M-1", "T-2", "T-3")  # principal, a second role in one school


@dataclass
class Golden:
    """A source after all of its days."""

    source: str
    open: dict[str, Any]
    days: list[Day] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """An expected file; 1.2 has only those that differ from 1.1."""
        own = HERE / self.source / "expected" / name
        return own if own.exists() else HERE / "oneroster11/expected" / name

    @property
    def staged(self) -> dict[str, dict[str, Any]]:
        """The expected staged frames."""
        base = read_roster(self.path("staged.yaml"))
        other = HERE / self.source / "expected/other.yaml"
        return patched(base, read_roster(other)) if other.exists() else base

    def roster(self, changes: str | None = None) -> dict[str, dict[str, Any]]:
        """The expected roster: the staged frames, and the changes of a later day."""
        base = without(self.staged, "source_modified_at")
        return patched(base, read_roster(self.path(changes))) if changes else base


@contextmanager
def provider(
    source: str, folder: Path
) -> Iterator[tuple[Chain, Callable[[str], None]]]:
    """A source's project, and how its data of a day are put in place."""
    place = folder / "place"
    if source == "clever":
        with CleverServer(clever_data("day1")) as server:
            config = {"districtId": server.district, "baseUrl": server.host}
            config["accessToken"] = "${GOLDEN_CLEVER_TOKEN}"
            chain = Chain(folder, "CLEVER", config)
            settings = {"GOLDEN_CLEVER_TOKEN": server.token, "CLEVER_RATE_LIMIT": "0"}
            with patch.dict(os.environ, settings):
                yield chain, lambda day: server.data.update(clever_data(day))
    elif source == "oneroster12":
        archive = folder / "set.zip"
        config = {"path": str(archive)}
        yield (
            Chain(folder, "ONEROSTER_CSV", config),
            lambda day: pack(HERE / source / day, archive),
        )
    else:
        kind = "CSV" if source == "plain" else "ONEROSTER_CSV"
        yield (
            Chain(folder, kind, {"path": str(place)}),
            lambda day: copy(HERE / source / day, place),
        )


def clever_data(day: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        filled((HERE / f"clever/{day}.json").read_text(encoding="utf-8"))
    )
    return data


def copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def pack(source: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for file in sorted(source.iterdir()):
            target.write(file, file.name)


@pytest.fixture(scope="module")
def golden_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Golden]:
    """A source after its days; each is synced once."""
    made: dict[str, Golden] = {}

    def find(source: str) -> Golden:
        if source not in made:
            golden = Golden(source, read_open(source))
            with provider(source, tmp_path_factory.mktemp(source)) as (chain, put):
                for day in DAYS[source]:
                    put(day)
                    golden.days.append(chain.sync())
                    golden.tables.append(chain.tables())
            made[source] = golden
        return made[source]

    return find


# Two days are the fewest.
@pytest.fixture(params=some(DAYS, "oneroster12"))
def golden(
    request: pytest.FixtureRequest, golden_of: Callable[[str], Golden]
) -> Golden:
    return golden_of(request.param)


@pytest.mark.long
def test_staged_frames_are_those_written_by_hand(golden: Golden) -> None:
    found = staged_roster(golden.days[0].staged)

    assert differences(golden.staged, found, golden.open.get("staged")) == []


@pytest.mark.long
def test_the_rejected_rows_are_those_written_by_hand(golden: Golden) -> None:
    rows = parquet(golden.days[0].staged / "rejected.parquet")
    expected = read_lines(golden.path("rejected.csv"))

    assert line_differences(expected, rows, golden.open["lines"]) == []


def test_the_findings_are_those_written_by_hand(golden: Golden) -> None:
    rows = parquet(golden.days[0].staged / "findings.parquet")
    expected = read_lines(golden.path("findings.csv"))

    assert line_differences(expected, rows, golden.open["lines"]) == []


def test_the_first_sync_fills_the_roster(golden: Golden) -> None:
    found = golden.days[0].roster

    assert differences(golden.roster(), found, golden.open["roster_day1"]) == []


def test_the_second_day_plans_exactly_its_changes(golden: Golden) -> None:
    day = golden.days[1]
    expected = read_lines(golden.path("plan_day2.csv"))

    assert day.verdict == "ready"
    assert line_differences(expected, plan_rows(day.plan), golden.open["plan"]) == []


def test_the_second_day_leaves_the_roster_written_by_hand(golden: Golden) -> None:
    expected = golden.roster("roster_day2.yaml")
    found = golden.days[1].roster

    assert differences(expected, found, golden.open["roster_day2"]) == []


def test_a_record_keeps_its_internal_id(golden: Golden) -> None:
    first, last = golden.days[0].ids, golden.days[-1].ids

    assert {key: last.get(key) for key in first} == first


@pytest.mark.long
@pytest.mark.parametrize("source", ["oneroster11", "clever", "plain"])
def test_the_same_data_again_plan_and_change_nothing(
    source: str, golden_of: Callable[[str], Golden]
) -> None:
    golden = golden_of(source)

    assert golden.days[2].changes == 0
    assert plan_rows(golden.days[2].plan) == []
    assert golden.tables[2] == golden.tables[1]


@pytest.mark.long
def test_who_returns_is_again_as_on_the_first_day(
    golden_of: Callable[[str], Golden],
) -> None:
    golden = golden_of("oneroster11")
    expected = golden.roster("roster_day1_again.yaml")
    found = golden.days[3].roster

    assert differences(expected, found, golden.open["roster_day1_again"]) == []


@pytest.mark.long
@pytest.mark.parametrize("day", [0, 1])
def test_sets_of_1_1_and_1_2_give_the_same_roster(
    day: int, golden_of: Callable[[str], Golden]
) -> None:
    first, second = (
        golden_of(name).days[day].roster for name in ("oneroster11", "oneroster12")
    )
    for name in ONLY_IN_12:
        second = without(second, name)

    skipped = {"users": [f"{key}.roles" for key in ROLES_DIFFER]}
    assert differences(first, second, skipped) == []


@pytest.mark.parametrize(
    ("table", "owners", "column", "other"),
    [
        ("user_roles", "users", "roles", "school_id"),
        ("user_agents", "users", "agent_ids", "agent_id"),
        ("class_terms", "classes", "term_ids", "term_id"),
    ],
)
def test_the_lists_of_a_record_stand_as_rows_too(
    golden: Golden, table: str, owners: str, column: str, other: str
) -> None:
    tables = golden.tables[-1]
    owner = "class_id" if owners == "classes" else "user_id"
    rows = sorted((str(row[owner]), str(row[other])) for row in tables[table])

    assert rows == sorted(
        (str(one["id"]), entry["school_id"] if column == "roles" else entry)
        for one in tables[owners]
        for entry in listed(one[column])
    )


def listed(value: Any) -> list[Any]:
    found: list[Any] = json.loads(value) if isinstance(value, str) else value or []
    return found
