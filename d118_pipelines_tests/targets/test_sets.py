"""Sets of many files: tables, control files, one archive, changes only, out of term."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d118_pipelines.targets.build import Export
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.targets.sets import NOW, Pets, members, pet, rows

FEW = settings(
    max_examples=examples(8, 12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def made(pets: Pets, *numbers: int, after: Export | None = None) -> Export:
    export = pets.export([pet(n) for n in numbers], after=after)
    assert export is not None
    return export


def broken(export: Export) -> set[str]:
    return {rule.code for rule in export.rules if not rule.passed}


def test_the_set_is_one_archive_in_the_order_of_its_files(tmp_path: Path) -> None:
    export = made(Pets(tmp_path), 1, 2)

    found = members(export)
    assert list(found) == ["manifest.csv", "owners.csv", "pets.csv"]
    assert (
        found["pets.csv"]
        == "id,status,changed,name\r\np001,,,Pet 1\r\np002,,,Pet 2\r\n"
    )
    assert rows(export, "manifest.csv") == ["owners,bulk,2", "pets,bulk,2"]
    assert {p.name for p in export.folder.iterdir()} >= {"pets.zip", "pets.parquet"}
    assert not (export.folder / "pets.csv").exists()


def test_equal_rows_give_equal_bytes_whenever_and_in_whatever_order(
    tmp_path: Path,
) -> None:
    pets = Pets(tmp_path)
    first = made(pets, 1, 2, 3)
    later = pets.export([pet(3), pet(1), pet(2)], now=NOW + dt.timedelta(days=9))

    assert later is not None
    assert first.to_send == later.to_send


def test_an_option_brings_files_and_columns(tmp_path: Path) -> None:
    export = made(Pets(tmp_path, {"options": {"shape": "large"}}), 1)

    assert members(export)["pets.csv"].startswith("id,status,changed,name,kind\r\n")
    assert "extra.csv" in members(export)


def test_a_file_that_is_not_delivered_is_checked_all_the_same(tmp_path: Path) -> None:
    export = made(Pets(tmp_path, {"options": {"deliver_owners": False}}), 1)

    assert list(members(export)) == ["manifest.csv", "pets.csv"]
    assert export.plan.counts["owners"].rows == 1
    assert (export.folder / "owners.csv").is_file()


def test_a_file_without_rows_is_left_out_or_fails_as_it_says(tmp_path: Path) -> None:
    pets = Pets(tmp_path)
    export = pets.export([pet(1, owner=None), pet(2, name="x")])
    assert export is not None and broken(export) == set()

    (tmp_path / "sql/exports/pets/owners.sql").write_text(
        "SELECT '' AS owner, NULL AS status, NULL AS changed WHERE false", "utf-8"
    )
    assert broken(made(pets, 1)) == {"guard.rows_enough"}


def test_what_is_left_out_is_a_finding(tmp_path: Path) -> None:
    export = Pets(tmp_path).export([pet(1), pet(2, owner=None)])

    assert export is not None
    assert [(f.code, f.key) for f in export.findings] == [("pets.left_out", "p002")]


def test_many_findings_of_one_code_are_counted_beyond_a_thousand(
    tmp_path: Path,
) -> None:
    export = Pets(tmp_path).export(
        [pet(0), *(pet(n, owner=None) for n in range(1, 1502))]
    )

    assert export is not None
    assert len(export.findings) == 1_001
    assert [f.detail for f in export.findings if not f.key] == ["501 more"]


def test_out_of_term_nothing_is_made(tmp_path: Path) -> None:
    pets = Pets(tmp_path)

    assert pets.export([pet(1, name="summer")]) is None
    assert not list((tmp_path / "made1").glob("*.zip"))


def test_people_are_counted_once_and_rows_by_school_and_kind(tmp_path: Path) -> None:
    many = [pet(1), pet(2, owner="o001"), pet(3, kind="dog", school="7")]
    export = Pets(tmp_path).export(many)

    assert export is not None
    facts = export.facts["pets"]
    assert facts.people == {"cat": 1, "dog": 1}
    assert facts.schools == {"5": {"cat": 2}, "7": {"dog": 1}}
    assert facts.filled == {"id": 3, "status": 0, "changed": 0, "name": 3}


DELTA = {"options": {"mode": "delta"}}


def test_the_first_set_is_a_full_one(tmp_path: Path) -> None:
    assert rows(made(Pets(tmp_path, DELTA), 1), "pets.csv") == ["p001,,,Pet 1"]


def test_a_delta_holds_what_came_changed_and_went(tmp_path: Path) -> None:
    pets = Pets(tmp_path, DELTA)
    first = made(pets, 1, 2, 3)
    new = dt.datetime(2026, 9, 1, 9, 30, 0, 125000)
    second = pets.export(
        [pet(1), pet(2, name="Other", modified_at=new), pet(4)], after=first
    )

    assert second is not None
    assert rows(second, "pets.csv") == [
        "p002,active,2026-09-01T09:30:00.125Z,Other",
        "p003,tobedeleted,2026-09-01T12:00:00.000Z,Pet 3",
        "p004,active,2026-09-01T12:00:00.000Z,Pet 4",
    ]
    assert rows(second, "manifest.csv") == ["owners,delta,2", "pets,delta,3"]


def test_a_delta_without_changes_is_the_manifest_alone(tmp_path: Path) -> None:
    pets = Pets(tmp_path, DELTA)
    first = made(pets, 1, 2)

    assert list(members(made(pets, 1, 2, after=first))) == ["manifest.csv"]


def test_other_columns_than_last_time_make_a_full_set(tmp_path: Path) -> None:
    first = made(Pets(tmp_path / "a", DELTA), 1, 2)
    pets = Pets(tmp_path / "b", {"options": {"mode": "delta", "shape": "large"}})

    assert len(rows(made(pets, 1, 2, after=first), "pets.csv")) == 2


@pytest.mark.long
@FEW
@given(
    before=st.sets(st.integers(1, 9), min_size=1),
    names=st.dictionaries(st.integers(1, 9), st.sampled_from("abc"), min_size=1),
)
def test_full_set_and_changes_make_the_next_full_set(
    tmp_path_factory: pytest.TempPathFactory, before: set[int], names: dict[int, str]
) -> None:
    pets = Pets(tmp_path_factory.mktemp("sum"), DELTA)
    first = made(pets, *before)
    after = [pet(n, name=name) for n, name in names.items()]
    change, full = pets.export(after, after=first), pets.export(after)
    assert change is not None and full is not None

    held = {row.split(",")[0]: row.split(",")[-1] for row in rows(first, "pets.csv")}
    for row in rows(change, "pets.csv") if "pets.csv" in members(change) else []:
        key, status, _, name = row.split(",")
        held[key] = name
        if status == "tobedeleted":
            del held[key]
    assert held == {r.split(",")[0]: r.split(",")[-1] for r in rows(full, "pets.csv")}


@pytest.mark.parametrize(("gone", "held"), [(1, False), (2, True)])
def test_each_file_has_its_limit_of_what_may_be_gone(
    tmp_path: Path, gone: int, held: bool
) -> None:
    pets = Pets(tmp_path)
    first = made(pets, *range(10))
    second = made(pets, *range(10 - gone), after=first)

    assert ("guard.removed_within_limit" in broken(second)) is held


def test_a_small_file_is_not_judged_by_shares(tmp_path: Path) -> None:
    pets = Pets(tmp_path)
    first = made(pets, 1, 2, 3)

    assert broken(made(pets, 1, after=first)) == set()


def test_an_archive_beyond_its_files_stays_the_same_after_a_killed_run(
    tmp_path: Path,
) -> None:
    """The plan's hash stands for the changes, whatever the bytes were made."""
    pets = Pets(tmp_path)
    first = made(pets, 1, 2)
    again = [made(pets, 1, 3, after=first).plan.hash for _ in range(2)]

    assert again[0] == again[1]
    assert made(pets, 1, 4, after=first).plan.hash != again[0]
