"""The plan: what it counts as a change, and what its hash stands for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines.targets.plan import FileCounts, Plan, make_plan
from d118_pipelines.targets.show import Change, changes_of
from d118_pipelines.targets.workbench import Workbench
from d118_pipelines_tests.targets.badges import FILES, YAML

Row = tuple[str, str, str, str | None, str]
"""Key, identity, command, badge, name."""
ROWS: list[Row] = [
    ("1", "a", "A", "10", "Ana"),
    ("2", "b", "C", None, "Bo"),
    ("10", "c", "C", "30", "Cy"),
]
COMMANDED = """\
    command: cmd
    compare_except: [cmd]
    columns:
      - cmd
"""


@pytest.fixture(scope="module")
def badges(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """The badges target with a command column and Badge '0' as inactive."""
    root = tmp_path_factory.mktemp("badges")
    text = YAML.replace("    columns:\n", COMMANDED).replace('was: "1"', 'was: "10"')
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    path = root / "mappings/targets/badges.yaml"
    path.write_text(text, encoding="utf-8")
    return read_target(path, root / "sql/exports")


def planned(
    target: Target,
    folder: Path,
    rows: Sequence[Row],
    before: Sequence[Row] | None = None,
    *,
    baseline: str | None = "delivery",
    destination: str = "outbox",
) -> Plan:
    """The plan of a set of these rows against a delivery of those."""
    folder.mkdir(exist_ok=True)
    with Workbench({}) as bench:
        if before is not None:
            fill(bench, before)
            bench.run(f"COPY badges TO '{folder}/badges.parquet'", "")
            bench.run("DROP TABLE badges", "")
        fill(bench, rows)
        return make_plan(
            target,
            bench,
            destination=destination,
            baseline=baseline if before is not None else None,
            baseline_folder=folder if before is not None else None,
            out=folder / "plan.parquet",
        )


def fill(bench: Workbench, rows: Sequence[Row]) -> None:
    names = ["_key", "_identity", "cmd", "Badge", '"Full ""Name"""']
    bench.add_rows("rows", dict.fromkeys(names, "VARCHAR"), rows)
    bench.run(
        "CREATE TABLE badges AS SELECT *, '5' AS homeschoolid, "
        "concat_ws(',', cmd, Badge, COLUMNS('Full.*')) AS _line, "
        "md5(_line) AS _hash FROM rows",
        "",
    )
    bench.run("DROP TABLE rows", "")


def counts(plan: Plan) -> FileCounts:
    return plan.counts["badges"]


def changed(rows: Sequence[Row], place: int, **values: Any) -> list[Row]:
    """The rows with some values of one of them changed."""
    names = ("key", "identity", "cmd", "badge", "name")
    row = dict(zip(names, rows[place], strict=True)) | values
    new = (row["key"], row["identity"], row["cmd"], row["badge"], row["name"])
    return [*rows[:place], new, *rows[place + 1 :]]


def test_first_delivery_adds_everything(badges: Target, tmp_path: Path) -> None:
    found = counts(planned(badges, tmp_path, ROWS))

    assert (found.rows, found.rows_before, found.added) == (3, None, 3)
    assert (found.changed, found.removed, found.unchanged) == (0, 0, 0)
    assert found.commands == {"A": 1, "C": 2}


def test_same_set_again_changes_nothing(badges: Target, tmp_path: Path) -> None:
    plan = planned(badges, tmp_path, ROWS, ROWS)

    found = counts(plan)
    assert (found.added, found.changed, found.removed, found.unchanged) == (0, 0, 0, 3)
    assert changes_of(tmp_path) == []


def test_every_difference_is_counted_by_its_kind(
    badges: Target, tmp_path: Path
) -> None:
    now = [*changed(ROWS[:2], 0, badge="0", name="Anna"), ("3", "d", "A", "", "Di")]

    found = counts(planned(badges, tmp_path, now, ROWS))

    assert (found.rows, found.rows_before) == (3, 3)
    assert (found.added, found.changed, found.removed, found.unchanged) == (1, 1, 1, 1)
    assert found.changed_fields == {"Badge": 1, 'Full "Name"': 1}
    assert found.deactivated == 1
    assert changes_of(tmp_path) == [
        Change("badges", "remove", "10", "c", ()),
        Change("badges", "change", "1", "a", ("Badge", 'Full "Name"')),
        Change("badges", "add", "3", "d", ()),
    ]
    assert len(changes_of(tmp_path, limit=2)) == 2


def test_another_command_and_an_empty_value_for_none_are_no_changes(
    badges: Target, tmp_path: Path
) -> None:
    now = changed(changed(ROWS, 0, cmd="C"), 1, badge="")

    plan = planned(badges, tmp_path, now, ROWS)

    assert counts(plan).changed == 0
    assert plan.hash == planned(badges, tmp_path / "same", ROWS, ROWS).hash


def test_another_identity_is_another_record(badges: Target, tmp_path: Path) -> None:
    found = counts(planned(badges, tmp_path, changed(ROWS, 0, identity="z"), ROWS))

    assert (found.added, found.changed, found.removed) == (1, 0, 1)


def test_baseline_whose_files_are_gone_counts_nothing_before(
    badges: Target, tmp_path: Path
) -> None:
    with Workbench({}) as bench:
        fill(bench, ROWS)
        plan = make_plan(
            badges,
            bench,
            destination="outbox",
            baseline="delivery",
            baseline_folder=tmp_path / "gone",
            out=tmp_path / "plan.parquet",
        )

    assert plan.baseline == "delivery"
    assert counts(plan).rows_before is None


def test_column_that_is_new_counts_as_changed_and_inactive_where_it_says_so(
    badges: Target, tmp_path: Path
) -> None:
    with Workbench({}) as bench:
        fill(bench, changed(ROWS, 2, badge="0"))
        bench.run(
            f"COPY (SELECT * EXCLUDE (Badge) FROM badges) "
            f"TO '{tmp_path}/badges.parquet'",
            "",
        )
        plan = make_plan(
            badges,
            bench,
            destination="outbox",
            baseline="delivery",
            baseline_folder=tmp_path,
            out=tmp_path / "plan.parquet",
        )

    assert counts(plan).changed_fields == {"Badge": 2}
    assert counts(plan).deactivated == 1


@pytest.mark.parametrize("seed", range(3))
def test_hash_does_not_depend_on_the_order_of_rows(
    badges: Target, tmp_path: Path, seed: int
) -> None:
    rows: list[Row] = [(str(n), f"i{n}", "A", str(n % 3), "x") for n in range(50)]
    before = [row if int(row[0]) % 2 else (*row[:4], "y") for row in rows[10:]]
    expected = planned(badges, tmp_path / "one", rows, before).hash

    shuffle = random.Random(seed).sample
    mixed = planned(badges, tmp_path / "two", shuffle(rows, 50), shuffle(before, 40))

    assert mixed.hash == expected


def test_hash_stands_for_changes_baseline_destination_and_definition(
    badges: Target, tmp_path: Path
) -> None:
    now = changed(ROWS, 0, name="Anna")
    base = planned(badges, tmp_path / "a", now, ROWS).hash
    text = badges.path.read_text(encoding="utf-8")
    other = badges.path.with_name("other") / badges.path.name
    other.parent.mkdir()
    other.write_text(text.replace("title: Badges", "title: Badge"), encoding="utf-8")
    redefined = read_target(other, badges.path.parents[2] / "sql/exports")

    others = [
        planned(badges, tmp_path / "b", changed(ROWS, 0, name="Ann"), ROWS),
        planned(badges, tmp_path / "c", changed(ROWS, 1, name="Anna"), ROWS),
        planned(badges, tmp_path / "d", now[:2], ROWS),
        planned(badges, tmp_path / "e", now),
        planned(badges, tmp_path / "f", now, ROWS, baseline="another"),
        planned(badges, tmp_path / "g", now, ROWS, destination="sftp-1"),
        planned(redefined, tmp_path / "h", now, ROWS),
    ]

    assert len({base, *(plan.hash for plan in others)}) == 1 + len(others)
    assert planned(badges, tmp_path / "i", now, ROWS).hash == base


def test_stored_plan_holds_no_values_and_is_for_its_owner_alone(
    badges: Target, tmp_path: Path
) -> None:
    planned(badges, tmp_path, changed(ROWS, 0, name="Secret", badge="77"), ROWS)

    path = tmp_path / "plan.parquet"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "Secret" not in str(changes_of(tmp_path))
    assert "77" not in str(changes_of(tmp_path))
