"""How the disk fills: a district's days as one command, each with its date made up.

    python -m bench.retention                 120 days, one line per tenth day

No sync runs: what one leaves behind is written with the sizes that were measured for
4,000 pupils (19 MB a day), in files that take a hundredth of it. Then retention runs,
as it does every night. The curve is in docs/reference/retention.md.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.kernel.run_folders import run_folder_name, write_manifest
from d118_pipelines.roster.model.tables import roster_history, sis_sync_runs, sync_logs
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.upkeep.retention import prune

SCALE = 100
"""What is measured, divided by what is written."""
FIRST = dt.datetime(2026, 8, 1, 11, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
# Parent of the run folder -> its files and their bytes, as one day of the demonstration
# district leaves them, with twice its pupils.
OF_A_DAY = {
    "raw/powerschool": {"users.parquet": 900_000, "enrollments.parquet": 1_000_000},
    "staged/powerschool": {"users.parquet": 800_000, "enrollments.parquet": 600_000},
    "plans/powerschool": {"users.parquet": 300_000},
    "exports/oneroster": {"users.parquet": 5_500_000, "oneroster.zip": 900_000},
    "exports/clever_sftp": {"students.parquet": 2_700_000, "Students.csv": 1_500_000},
    "exports/hr_records": {"staff_data.parquet": 400_000, "StaffData.txt": 150_000},
    "exports/scim": {"users.parquet": 1_300_000, "users.csv": 600_000},
    "inbox/office/processed": {"users.csv": 200_000},
}
TARGETS = [name.split("/")[1] for name in OF_A_DAY if name.startswith("exports")]
FINDINGS, CHANGES = 40, 80
DISTRICT = "id: bench\nname: Bench\ntime_zone: America/Chicago\n"


def main() -> None:
    """Print the curve as a table in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        print("| day | MB kept with retention | MB without | rows kept |")
        print("|---:|---:|---:|---:|")
        without = 0.0
        for day, kept, made, rows in simulate(Path(folder), days=120):
            without += made
            if day % 10 == 0 or day == 1:
                print(f"| {day} | {kept:,.0f} | {without:,.0f} | {rows:,} |")


def simulate(
    root: Path, *, days: int, retention: str = ""
) -> Iterator[tuple[int, float, float, int]]:
    """Day, MB below `D118_HOME` after that night, MB that the day made, rows kept."""
    project = made_project(root, retention)
    for day in range(1, days + 1):
        now = FIRST + day * DAY
        made = make_day(project, now, f"run-{day:05}")
        night = now + dt.timedelta(hours=13)
        prune(project, now=night, actor="bench", old_runs=lambda cut, is_dry: 0)
        yield (
            day,
            size_of(project) * SCALE / 1e6,
            made * SCALE / 1e6,
            count_rows(project),
        )


def made_project(root: Path, retention: str = "") -> Project:
    """A project of which only config/district.yaml is there."""
    (root / "config").mkdir(parents=True)
    text = DISTRICT + retention
    (root / "config/district.yaml").write_text(text, encoding="utf-8")
    return Project(root, root / "var")


def make_day(project: Project, now: dt.datetime, run_id: str) -> int:
    """What the runs of one day leave behind; the bytes of its files."""
    size, folders = 0, {}
    for parent, files in OF_A_DAY.items():
        place = project.folder(*parent.split("/"))
        # Named as a run names it: after the newest one, whatever the clock says.
        folder = place / run_folder_name(place, run_id[::-1], now)
        folder.mkdir()
        folders[parent] = folder
        for name, length in files.items():
            (folder / name).write_bytes(b"x" * (length // SCALE))
            size += length // SCALE
        staged = folders.get("staged/powerschool", folder).name
        if not parent.startswith("inbox"):
            write_manifest(folder, {"made_at": now, "staged": staged})
    _make_rows(project, now, run_id, folders)
    return size


def _make_rows(
    project: Project, now: dt.datetime, run_id: str, folders: dict[str, Path]
) -> None:
    with state_database(project).transaction() as connection:
        for name in (*TARGETS, "powerschool"):
            kind = "plans" if name == "powerschool" else "exports"
            folder = str(folders[f"{kind}/{name}"].relative_to(project.home))
            _add_plan(connection, name, run_id, folder, now)
            if name != "powerschool":
                _add_delivery(connection, name, run_id, folder, now)
        row_id = f"row-{run_id}"
        whose = {"district_id": "bench", "provider_id": "powerschool"}
        times = {"started_at": now, "completed_at": now}
        connection.execute(
            sis_sync_runs.insert().values(
                **whose,
                **times,
                id=row_id,
                run_id=run_id,
                kind="sync",
                status="SUCCESS",
                triggered_by="bench",
                is_manual=False,
                changed=CHANGES,
            )
        )
        log = {"level": "WARNING", "message": "row.bad", "timestamp": now}
        common = {"district_id": "bench", "sync_job_id": row_id}
        connection.execute(sync_logs.insert(), [{**log, **common}] * FINDINGS)
        history = {"entity": "users", "action": "update", "fields": "[]", "at": now}
        rows = [
            {"record_id": f"id-{n}", "external_id": f"S-{n}", "before": "{}" * 200}
            for n in range(CHANGES)
        ]
        known = {**whose, **history, "run_id": run_id}
        connection.execute(roster_history.insert(), [{**known, **row} for row in rows])


def _add_plan(
    connection: sa.Connection, name: str, run_id: str, folder: str, now: dt.datetime
) -> None:
    connection.execute(
        db.plans.insert().values(
            id=f"{run_id}-{name}",
            target=name,
            destination="outbox",
            plan_hash="0" * 64,
            run_id=run_id,
            verdict="ready",
            folder=folder,
            rules=[],
            counts={},
            files=[],
            demonstration=False,
            data_at=now,
            created_at=now,
        )
    )
    texts = {"code": "row.bad", "level": "warn", "field": "", "detail": "", "todo": ""}
    found = [
        {"target": name, "run_id": run_id, "key": str(number), **texts}
        for number in range(FINDINGS)
    ]
    connection.execute(db.findings.insert(), found)


def _add_delivery(
    connection: sa.Connection, name: str, run_id: str, folder: str, now: dt.datetime
) -> None:
    connection.execute(
        db.deliveries.insert().values(
            id=f"{run_id}-{name}",
            target=name,
            destination="outbox",
            status="verified",
            plan_hash="0" * 64,
            run_id=run_id,
            folder=folder,
            files=json.loads('[{"name": "a", "rows": 1, "size_bytes": 1}]'),
            counts={},
            read_back=["a"],
            started_at=now,
            finished_at=now,
        )
    )


def size_of(project: Project) -> int:
    """Bytes of all files below `D118_HOME` but the database's."""
    files = (path for path in project.home.rglob("*") if path.is_file())
    return sum(f.stat().st_size for f in files if "sqlite" not in f.name)


def count_rows(project: Project) -> int:
    """Rows of the tables that retention empties."""
    tables = (db.plans, db.findings, sync_logs, roster_history)
    with state_database(project).reading() as connection:
        counts = (sa.select(sa.func.count()).select_from(table) for table in tables)
        return sum(connection.scalar(query) or 0 for query in counts)


if __name__ == "__main__":
    main()
