"""The staging tables: what any DuckDB client sees of a staged run and its plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d118_pipelines.kernel.frames import open_frames, write_parquet
from d118_pipelines.roster.model.entities import COMMON_COLUMNS, ENTITIES
from d118_pipelines_tests.roster.staging.roster import RUN, Bench, person, valid
from d118_pipelines_tests.support.project import REPOSITORY

VIEWS = ["schools", "terms", "courses", "classes", "users", "enrollments"]
SAMPLES = {"VARCHAR": ("'a'", "'ax'"), "BOOLEAN": ("true", "false")}
SAMPLES |= dict.fromkeys(["DATE", "TIMESTAMP"], ("'2026-01-01'", "'2026-01-02'"))
UNHASHED = set(COMMON_COLUMNS) - {"external_id", "status", "inactive_reason"}


def opened(home: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET VARIABLE d118_home = ?", [str(home)])
    connection.execute((REPOSITORY / "sql/staging/views.sql").read_text("utf-8"))
    return connection


def plan(home: Path, entity: str, **actions: str) -> None:
    folder = home / f"plans/source/20261102T060100000000Z-{RUN[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    pq.write_table(
        pa.table(
            {
                "external_id": list(actions),
                "action": list(actions.values()),
                "rule": ["external_id"] * len(actions),
            }
        ),
        folder / f"{entity}.parquet",
    )


@pytest.mark.long
def test_views_hold_every_row_with_its_raw_record_and_outcome(tmp_path: Path) -> None:
    records = valid()
    records["users"].append(person("BAD", "pupil"))
    staged = Bench(tmp_path).json(records)

    with opened(tmp_path) as duck:
        counts: dict[str, Any] = {
            name: duck.execute(f"SELECT count(*) FROM sis_raw_{name}").fetchall()[0][0]
            for name in VIEWS
        }
        unplanned = duck.execute(
            "SELECT DISTINCT processed, outcome FROM sis_raw_enrollments"
        ).fetchall()
    fetched = [
        c.fetched for name, c in staged.entities.items() if name != "demographics"
    ]
    assert list(counts.values()) == fetched
    assert unplanned == [(False, None)]

    plan(tmp_path, "users", S1="create", S2="conflict")
    with opened(tmp_path) as duck:
        users = duck.execute(
            "SELECT external_id, role, processed, outcome, rule, "
            "raw_json ->> '$.givenName', district_id, provider_id, last_sync_run_id "
            "FROM sis_raw_users ORDER BY 1"
        ).fetchall()
        classes = duck.execute(
            "SELECT course_code, CAST(term_start AS VARCHAR), CAST(term_end AS VARCHAR) "
            "FROM sis_raw_classes"
        ).fetchall()
    same = ("district", "source", RUN)
    assert users == [
        ("A1", "teacher", True, "unchanged", None, "Given A1", *same),
        ("BAD", None, True, "error", "row.bad_enum", "Given BAD", *same),
        ("P1", "guardian", True, "unchanged", None, "Given P1", *same),
        ("S1", "student", True, "created", "external_id", "Given S1", *same),
        ("S2", "student", True, "conflict", "external_id", "Given S2", *same),
    ]
    assert classes == [("MAT101", "2026-08-17", "2027-01-16")]


@pytest.mark.long
def test_rows_stay_readable_when_retention_has_removed_the_raw_ones(
    tmp_path: Path,
) -> None:
    Bench(tmp_path).csv(valid())
    with opened(tmp_path) as duck:
        sent = duck.execute("SELECT raw_json FROM sis_raw_schools").fetchall()
    assert all("sourcedId" in text for (text,) in sent)

    for path in (tmp_path / "raw").rglob("*.parquet"):
        path.unlink()
    with opened(tmp_path) as duck:
        assert duck.execute(
            "SELECT name, raw_json FROM sis_raw_schools ORDER BY 1"
        ).fetchall() == [("District", None), ("High School", None)]


@pytest.mark.long
def test_c5_every_field_changes_the_hash_that_the_views_show(tmp_path: Path) -> None:
    staged = Bench(tmp_path).json(valid())
    versions = {}
    with open_frames() as duck:
        for view in VIEWS:
            entity = "orgs" if view == "schools" else view
            columns = ENTITIES[entity].staged_columns()
            del columns["source_line"]  # numbers the versions of the one record
            samples = {n: SAMPLES.get(k, ("1", "2")) for n, k in columns.items()}
            before = {name: values[0] for name, values in samples.items()}
            changes = [
                {**before, name: value}
                for name, (_, other) in samples.items()
                if name not in UNHASHED
                for value in (other, "NULL")
            ]
            touched = {**before, **{n: samples[n][1] for n in UNHASHED & set(columns)}}
            rows = " UNION ALL ".join(
                "SELECT "
                + ", ".join(f"CAST({v} AS {columns[n]}) AS {n}" for n, v in row.items())
                + f", {line} AS source_line"
                for line, row in enumerate([before, touched, *changes])
            )
            write_parquet(duck, rows, staged.folder / f"{entity}.parquet")
            versions[view] = len(changes)
    with opened(tmp_path) as duck:
        for view in VIEWS:
            hashes = duck.execute(
                "SELECT list_sort(list(DISTINCT source_line)) AS lines "
                f"FROM sis_raw_{view} GROUP BY row_hash ORDER BY lines"
            ).fetchall()
            single = [[line] for line in range(2, 2 + versions[view])]
            assert [lines for (lines,) in hashes] == [[0, 1], *single], view
