"""`d118 status` and `targets list`: did the files go out?"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import D118Error
from d118_pipelines.state import database as db
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.project import ProjectFolder

OUTBOX = "var/outbox/hr_records"


def status(project: ProjectFolder, target: str = "hr_records") -> dict[str, object]:
    answer = project.d118("status", "--target", target, "--json")
    assert answer.code == 0, answer.err
    [state] = answer.json()
    return dict(state)


def to_do(project: ProjectFolder) -> str:
    """What a person should do about the target."""
    return str(status(project)["to_do"])


def deliver_at(project: ProjectFolder, ago: dt.timedelta) -> None:
    """Move what hr_records planned and delivered into the past."""
    then = dt.datetime.now(dt.UTC) - ago
    d, p = db.deliveries, db.plans
    project.change_state(
        sa.update(d)
        .where(d.c.target == "hr_records")
        .values(started_at=then, finished_at=then)
    )
    project.change_state(
        sa.update(p).where(p.c.target == "hr_records").values(created_at=then)
    )


def test_delivered_targets_are_listed_with_what_was_sent(
    delivered: ProjectFolder,
) -> None:
    states = delivered.d118("status", "--json").json()

    assert [(s["target"], s["state"]) for s in states] == [
        ("hr_records", "delivered"),
        ("smartfind", "delivered"),
    ]
    assert [file["rows"] for file in states[0]["files"]] == [19, 19]
    assert states[0]["findings"] == 2
    assert states[0]["destination"] == OUTBOX
    assert to_do(delivered) == ""


@pytest.mark.long
def test_the_files_of_the_last_delivery_can_be_listed(delivered: ProjectFolder) -> None:
    answer = delivered.d118("status", "--files", "--wide")
    narrow = delivered.d118("status", "--files", COLUMNS="80").out

    assert answer.code == 0
    assert max(map(len, narrow.splitlines())) <= 80
    for target in ("hr_records", "smartfind"):
        for file in delivered.d118("status", "--target", target, "--json").json()[0][
            "files"
        ]:
            assert file["name"] in answer.out
            assert file["name"] in narrow
            assert file["sha256"] in answer.out
            assert file["sha256"][:12] in narrow
            assert file["sha256"][:13] not in narrow


def test_times_are_those_of_the_district(delivered: ProjectFolder) -> None:
    state = status(delivered)

    assert str(state["next_run"])[11:19] == "04:15:00"
    assert str(state["next_run"])[19:] in ("-06:00", "-05:00")
    assert str(state["last_deadline"])[11:19] == "06:00:00"
    assert dt.datetime.fromisoformat(str(state["next_run"])) > dt.datetime.now(dt.UTC)
    assert dt.datetime.fromisoformat(str(state["last_deadline"])) < dt.datetime.now(
        dt.UTC
    )


@pytest.mark.long
def test_a_target_that_was_never_run_says_so(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", PEOPLE)

    assert status(project)["state"] == "never"
    assert status(project)["last_delivery"] is None
    assert to_do(project) == "d118 run hr_records"


@pytest.mark.long
def test_an_export_that_was_not_sent_yet_says_so(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    project.export("hr_records")

    assert status(project)["state"] == "not sent"
    assert to_do(project) == "d118 run hr_records"


@pytest.mark.long
def test_a_held_target_points_to_its_plan(held: ProjectFolder) -> None:
    state = status(held)

    assert state["state"] == "held"
    assert str(state["plan"]).endswith(" held")
    assert to_do(held) == "d118 plan hr_records"


@pytest.mark.long
def test_a_failed_plan_points_to_its_findings(project: ProjectFolder) -> None:
    project.edit("mappings/targets/hr_records.yaml", "min_rows: 1", "min_rows: 500")
    project.export("hr_records")

    assert status(project)["state"] == "failed"
    assert to_do(project).startswith("d118 findings hr_records")


@pytest.mark.long
def test_a_failed_delivery_says_why(project: ProjectFolder) -> None:
    outbox = project.home / "outbox/hr_records"
    outbox.rename(outbox.with_name("moved"))
    outbox.touch()

    with pytest.raises(D118Error):
        project.deliver("hr_records")

    assert status(project)["state"] == "failed"
    assert "folder" in str(status(project)["last_error"])


def test_a_killed_delivery_is_failed(project: ProjectFolder) -> None:
    d = db.deliveries
    newest = sa.select(sa.func.max(d.c.started_at)).where(d.c.target == "hr_records")
    project.change_state(
        sa.update(d)
        .where(d.c.started_at == newest.scalar_subquery())
        .values(status="started", finished_at=None)
    )

    assert status(project)["state"] == "failed"
    assert "Interrupted while sending" in str(status(project)["last_error"])
    assert to_do(project) == "d118 run hr_records"


def test_a_deadline_that_passed_without_a_delivery_is_late(
    project: ProjectFolder,
) -> None:
    deliver_at(project, dt.timedelta(days=2))

    assert status(project)["state"] == "late"
    assert to_do(project) == "d118 runs --target hr_records"


def test_a_delivery_shortly_before_the_last_deadline_counts(
    project: ProjectFolder,
) -> None:
    deadline = dt.datetime.fromisoformat(str(status(project)["last_deadline"]))
    before = deadline - dt.timedelta(hours=1)

    deliver_at(project, dt.datetime.now(dt.UTC) - before)

    assert status(project)["state"] == "delivered"


def test_targets_are_listed_with_files_and_schedule(delivered: ProjectFolder) -> None:
    [first, second] = delivered.d118("targets", "list", "--json").json()

    assert first["target"] == "hr_records"
    assert first["files"] == ["StaffData.txt", "Job Types.txt"]
    assert first["schedule"] == "15 4 * * *"
    assert first["last_status"] == "delivered"
    assert second["title"] == "SmartFind Express"
    text = delivered.d118("targets", "list", COLUMNS="80")
    assert text.code == 0
    assert "E1PlusEmployeeWorkSchedule.csv" in text.out
    assert "hr_records" in text.out and " delivered " in text.out
