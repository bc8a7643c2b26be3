"""Retention: what is removed after how many days, and what stays whatever its age."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.retention import DAY, FIRST, made_project, make_day, simulate
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.model.tables import roster_history, sis_sync_runs, sync_logs
from d118_pipelines.state import database as db
from d118_pipelines.state.audit import entries
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.upkeep.retention import Pruned, prune

DAYS = 12
SHORT = """retention: {raw_days: 4, staged_days: 5, plans_days: 6, exports_days: 8,
  tables_days: 2, archived_days: 3, findings_days: 7, logs_days: 4, history_days: 9}
"""
NIGHT = dt.timedelta(hours=13)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Twelve days of a district, pruned once, in the night after the last."""
    made = made_project(tmp_path_factory.mktemp("district"), SHORT)
    for day in range(1, DAYS + 1):
        make_day(made, FIRST + day * DAY, f"run-{day:05}")
    pruned(made)
    return made


def pruned(project: Project, *, day: int = DAYS, is_dry: bool = False) -> list[Pruned]:
    now = FIRST + day * DAY + NIGHT
    return prune(project, now=now, actor="ann", old_runs=_no_runs, is_dry=is_dry)


def _no_runs(cut: dt.datetime, is_dry: bool) -> int:
    return 0


def days_of(project: Project, parent: str, name: str = "*") -> list[int]:
    """The days whose run folders have a file of that name."""
    found = {path.parent.name for path in project.home.glob(f"{parent}/2*/{name}")}
    return sorted(
        (dt.datetime.strptime(one[:8], "%Y%m%d").date() - FIRST.date()).days
        for one in found
    )


def rows_of(project: Project, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
    with state_database(project).reading() as connection:
        return list(connection.execute(sa.select(table)).all())


@pytest.mark.parametrize(
    ("parent", "name", "days"),
    [
        ("raw/powerschool", "users.parquet", 4),
        ("staged/powerschool", "users.parquet", 5),
        ("plans/powerschool", "users.parquet", 6),
        ("exports/oneroster", "oneroster.zip", 8),
        ("exports/oneroster", "users.parquet", 2),
        ("inbox/office/processed", "users.csv", 3),
    ],
)
def test_each_class_keeps_its_days_and_nothing_older(
    project: Project, parent: str, name: str, days: int
) -> None:
    kept = days_of(project, parent, name)

    assert kept == list(range(DAYS - days + 1, DAYS + 1))


def test_rows_go_by_their_run_and_what_counts_stays(project: Project) -> None:
    days = {
        table.name: len({row.run_id for row in rows_of(project, table)})
        for table in (
            db.plans,
            db.findings,
            db.deliveries,
            roster_history,
            sis_sync_runs,
        )
    }

    assert days == {
        "plans": 6,
        "findings": 6,  # those of a plan that is gone go with it
        "deliveries": DAYS,
        "roster_history": 9,
        "sis_sync_runs": DAYS,
    }
    assert len({row.sync_job_id for row in rows_of(project, sync_logs)}) == 4


def test_a_prune_is_audited_and_reported(project: Project) -> None:
    with state_database(project).reading() as connection:
        [row] = entries(connection, action="pruned")

    assert row["actor"] == "ann"
    assert row["detail"].startswith("8 raw, 7 staged, 6 plans, ")
    path = project.home / "reports/retention.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    found = {one["kind"]: one["removed"] for one in report["classes"]}
    assert found["raw"] == 8
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """A project of three days that nobody has pruned."""
    made = made_project(tmp_path / "district", SHORT)
    for day in range(1, 4):
        make_day(made, FIRST + day * DAY, f"run-{day:05}")
    return made


def test_what_the_next_run_compares_with_stays_for_a_year(small: Project) -> None:
    done = {one.kind: one for one in pruned(small, day=200)}

    assert days_of(small, "raw/powerschool") == [3]
    assert days_of(small, "exports/oneroster", "users.parquet") == [3]
    assert days_of(small, "staged/powerschool") == [3]
    assert (done["raw"].removed, done["raw"].kept) == (2, 1)
    assert len(rows_of(small, db.plans)) == 5  # the newest of each

    pruned(small, day=3 + 366)

    for parent in ("raw/powerschool", "exports/oneroster", "staged/powerschool"):
        assert days_of(small, parent) == []
    assert len(rows_of(small, db.deliveries)) == 12


def test_the_last_verified_set_of_each_destination_stays(small: Project) -> None:
    d = db.deliveries.c
    with state_database(small).transaction() as connection:
        connection.execute(
            db.deliveries.update()
            .where(d.run_id == "run-00001")
            .values(destination="old")
        )
        connection.execute(
            db.deliveries.update()
            .where(d.run_id == "run-00003")
            .values(status="failed")
        )

    pruned(small, day=100)

    assert days_of(small, "exports/oneroster", "users.parquet") == [1, 2, 3]


def test_a_held_plan_keeps_the_roster_it_was_made_from(small: Project) -> None:
    p = db.plans.c
    with state_database(small).transaction() as connection:
        newer = sa.and_(p.target == "powerschool", p.run_id != "run-00001")
        connection.execute(db.plans.delete().where(newer))
        connection.execute(
            db.plans.update().where(p.target == "powerschool").values(verdict="held")
        )

    pruned(small, day=100)

    assert days_of(small, "plans/powerschool") == [1, 3]
    assert days_of(small, "staged/powerschool") == [1, 3]


def test_addresses_that_were_given_with_runs_go_as_webhooks_do(small: Project) -> None:
    rows = [
        {
            "run_id": str(day),
            "url": "https://x.example",
            "created_at": FIRST + day * DAY,
        }
        for day in (-40, 2)
    ]
    with state_database(small).transaction() as connection:
        connection.execute(db.webhook_runs.insert(), rows)

    pruned(small, day=3)

    assert [row.run_id for row in rows_of(small, db.webhook_runs)] == ["2"]


def test_a_dry_run_removes_nothing_and_says_the_same(small: Project) -> None:
    before = sorted(small.home.rglob("*"))

    planned = pruned(small, day=100, is_dry=True)

    assert [p for p in sorted(small.home.rglob("*")) if "sqlite" not in p.name] == [
        p for p in before if "sqlite" not in p.name
    ]
    done = pruned(small, day=100)
    # Tables of an export that goes as a whole go with it.
    assert [p for p in planned if p.kind not in ("tables", "findings")] == [
        p for p in done if p.kind not in ("tables", "findings")
    ]


def test_a_clock_that_is_behind_removes_nothing(small: Project) -> None:
    with pytest.raises(ConfigurationError, match="The clock is behind"):
        pruned(small, day=-9)


def test_one_run_under_a_clock_that_was_years_ahead_does_not_stop_it(
    small: Project,
) -> None:
    make_day(small, FIRST + 9_000 * DAY, "run-90001")
    for day in range(5, 8):
        make_day(small, FIRST + day * DAY, f"run-{day:05}")

    now = FIRST + 9_000 * DAY  # as far as the database knows
    with state_database(small).transaction() as connection:
        for table, at in ((db.plans, "created_at"), (db.deliveries, "started_at")):
            ahead = table.c[at] >= now
            connection.execute(
                table.update().where(ahead).values({at: FIRST + 4 * DAY})
            )
    pruned(small, day=30)

    left = list(small.home.glob("raw/powerschool/*"))
    assert len(left) == 1  # the newest, although its name is of another time


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("retention: {raw_days: 0}", "raw_days"),
        ("retention: {exports_days: 366}", "exports_days"),
        ("retention: {inactive_days: 60}", "at least as long as every other class"),
        ("retention: {raws_days: 3}", "raws_days"),
    ],
)
def test_a_limit_is_between_a_day_and_a_year(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        made_project(tmp_path / "district", text).district()


@pytest.mark.long
def test_after_the_longest_period_the_size_stays_flat(tmp_path: Path) -> None:
    days = list(simulate(tmp_path / "district", days=30, retention=SHORT))

    sizes = {day: (size, rows) for day, size, _, rows in days}
    assert sizes[6][0] > sizes[3][0]
    files = {size for day, (size, _) in sizes.items() if day > 9}
    assert max(files) - min(files) < 0.01 * max(files)
    assert len({rows for day, (_, rows) in sizes.items() if day > 10}) == 1
