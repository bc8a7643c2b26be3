"""Schedules and deadlines on the nights on which clocks and years change."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from d118_pipelines.assets.deliveries import delivery_asset
from d118_pipelines.config.crons import crons_of
from d118_pipelines.config.project import Project
from d118_pipelines.definitions import build_definitions
from d118_pipelines.schedules import target_schedule
from d118_pipelines.targets.definition import Target, read_target, read_targets
from d118_pipelines.targets.model import Schedule
from d118_pipelines.workflows.monitoring.all_feeds import enabled_feeds, load_feeds
from d118_pipelines.workflows.targets.target_feed import last_deadline, next_run
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder

CHICAGO = ZoneInfo("America/Chicago")
PROJECT = Project(REPOSITORY, REPOSITORY / "var")
NIGHTS = {
    "spring": (dt.datetime(2027, 3, 12), dt.datetime(2027, 3, 17)),
    "autumn": (dt.datetime(2026, 10, 30), dt.datetime(2026, 11, 4)),
    "new year": (dt.datetime(2026, 12, 30), dt.datetime(2027, 1, 3)),
    "leap day": (dt.datetime(2028, 2, 27), dt.datetime(2028, 3, 2)),
}
AROUND = pytest.mark.parametrize(
    ("start", "end"), list(NIGHTS.values()), ids=list(NIGHTS)
)


def ticks(
    cron: str, zone: str, start: dt.datetime, end: dt.datetime
) -> list[dt.datetime]:
    """When Dagster ticks: its partitions follow the same calendar as its schedules."""
    form = "%Y-%m-%dT%H:%M:%S%z"
    calendar = dg.TimeWindowPartitionsDefinition(
        start=start,
        # A partition ends with the next tick.
        end=end + dt.timedelta(days=2),
        cron_schedule=cron,
        timezone=zone,
        fmt=form,
    )
    later = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    keys = calendar.get_partition_keys(current_time=later)
    found = [dt.datetime.strptime(key, form) for key in keys]
    return [tick for tick in found if tick < end.replace(tzinfo=ZoneInfo(zone))]


def days_between(start: dt.datetime, end: dt.datetime) -> list[dt.date]:
    return [start.date() + dt.timedelta(days) for days in range((end - start).days)]


def schedules() -> dict[str, dg.ScheduleDefinition]:
    found = build_definitions(PROJECT).schedules or []
    return {s.name: s for s in found if isinstance(s, dg.ScheduleDefinition)}


@AROUND
@pytest.mark.parametrize(
    ("name", "clock"),
    [("hr_records_schedule", "04:15"), ("smartfind_schedule", "04:45")],
)
def test_a_target_runs_once_a_day_at_its_time(
    name: str, clock: str, start: dt.datetime, end: dt.datetime
) -> None:
    schedule = schedules()[name]
    assert isinstance(schedule.cron_schedule, str)

    found = ticks(schedule.cron_schedule, str(schedule.execution_timezone), start, end)

    local = [tick.astimezone(CHICAGO) for tick in found]
    assert [tick.date() for tick in local] == days_between(start, end)
    assert {f"{tick:%H:%M}" for tick in local} == {clock}


@AROUND
@pytest.mark.parametrize("cron", ["30 2 * * *", "30 1 * * *", "0 0 * * *", "0 3 * * *"])
def test_a_time_that_is_missing_or_comes_twice_still_runs_once_a_day(
    cron: str, start: dt.datetime, end: dt.datetime
) -> None:
    found = ticks(cron, "America/Chicago", start, end)

    days = Counter(tick.astimezone(CHICAGO).date() for tick in found)
    assert days == dict.fromkeys(days_between(start, end), 1)


@AROUND
@pytest.mark.parametrize("cron", ["15 4 * * *", "45 4 * * *", "0 6 * * *"])
def test_the_command_line_says_when_dagster_will_run(
    cron: str, start: dt.datetime, end: dt.datetime
) -> None:
    schedule = Schedule(cron=[cron], deadline=cron)
    now, last = start.replace(tzinfo=CHICAGO), end.replace(tzinfo=CHICAGO)
    told = []
    while (coming := next_run(PROJECT, schedule, now)) and coming < last:
        told.append(coming)
        now = coming

    assert told == ticks(cron, "America/Chicago", start, end)
    for tick in told:
        just_after = tick + dt.timedelta(minutes=1)
        assert last_deadline(PROJECT, schedule, just_after) == tick


def test_a_tick_asks_for_the_target_s_run() -> None:
    for name, schedule in schedules().items():
        at = dt.datetime(2026, 11, 1, 4, 15, tzinfo=CHICAGO)
        context = dg.build_schedule_context(scheduled_execution_time=at)

        tick = schedule.evaluate_tick(context)

        [request] = tick.run_requests or []
        assert schedule.job_name == name.removesuffix("_schedule")
        assert request.tags["sis/trigger"] == "schedule"


def test_a_target_may_have_a_zone_of_its_own(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    project.edit(
        "mappings/targets/hr_records.yaml",
        'deadline: "0 6 * * *"}',
        'deadline: "0 6 * * *", time_zone: America/New_York}',
    )

    defs = build_definitions(project.project)

    own = defs.resolve_schedule_def("hr_records_schedule")
    other = defs.resolve_schedule_def("smartfind_schedule")
    assert isinstance(own, dg.ScheduleDefinition)
    assert isinstance(other, dg.ScheduleDefinition)
    assert own.execution_timezone == "America/New_York"
    assert other.execution_timezone == "America/Chicago"
    [spec] = [
        s
        for s in defs.resolve_all_asset_specs()
        if s.key.to_user_string() == "deliveries/hr_records"
    ]
    assert "America/New_York" in repr(spec.freshness_policy)


def test_a_deadline_is_in_the_zone_and_after_the_run() -> None:
    evening = dt.datetime(2026, 11, 3, 20, 0, tzinfo=CHICAGO)
    own = {"clever_sftp": "03 18:00", "oneroster": "03 07:00", "scim": "03 07:00"}
    for target in read_targets(REPOSITORY):
        schedule = target.model.schedule
        assert schedule is not None

        deadline = last_deadline(PROJECT, schedule, evening)
        run = next_run(PROJECT, schedule, evening.replace(hour=0))

        assert deadline is not None and run is not None
        wanted = own.get(target.name, "03 06:00")
        assert f"{deadline.astimezone(CHICAGO):%d %H:%M}" == wanted
        assert run < deadline


@AROUND
@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/Berlin"])
def test_several_schedules_tick_together_as_the_command_line_says(
    zone: str, start: dt.datetime, end: dt.datetime
) -> None:
    wanted = Schedule.model_validate(
        {"cron": ["twice-daily", "30 1,2 * * *", "0 2 * * 0"], "time_zone": zone}
    )
    target = next(t for t in read_targets(REPOSITORY) if t.name == "hr_records")
    changed = target.model.model_copy(update={"schedule": wanted})
    schedule = target_schedule(Target(target.path, changed, Path()), PROJECT)
    assert schedule is not None
    first, last = (at.replace(tzinfo=ZoneInfo(zone)) for at in (start, end))

    found = schedule_execution_time_iterator(
        first.timestamp(), schedule.cron_schedule, zone
    )
    dagsters = list(takewhile(lambda tick: tick < last, found))
    told, now = [], first - dt.timedelta(seconds=1)
    while (coming := next_run(PROJECT, wanted, now)) and coming < last:
        told.append(coming)
        now = coming

    assert told == dagsters
    assert len(set(told)) == len(told) >= 4 * (end - start).days - 1


@pytest.mark.parametrize("cron", ["daily", "15 4 * * *", ["daily", "hourly"]])
def test_a_target_s_schedule_may_be_a_preset_or_a_list(
    cron: object, tmp_path: Path
) -> None:
    project = ProjectFolder(tmp_path / "project")
    path = project.root / "mappings/targets/hr_records.yaml"
    text = path.read_text("utf-8")
    text = text[: text.index("schedule: {")] + f"schedule: {json.dumps(cron)}\n"
    path.write_text(text, "utf-8")

    target = read_target(path, project.root / "sql/exports")
    made = target_schedule(target, project.project)

    assert made is not None
    crons = made.cron_schedule
    assert ([crons] if isinstance(crons, str) else crons) == crons_of(cron)
    specs = delivery_asset(target, project.project.district()).specs
    assert [spec.freshness_policy for spec in specs] == [None]


def test_every_feed_says_when_dagster_will_start_it() -> None:
    now = dt.datetime(2026, 11, 1, 5, 30, tzinfo=dt.UTC)
    found = schedules()
    for feed in enabled_feeds(PROJECT, load_feeds(PROJECT)):
        schedule = found[f"{feed.job}_schedule"]

        ticks = schedule_execution_time_iterator(
            now.timestamp(), schedule.cron_schedule, schedule.execution_timezone
        )

        assert feed.next_run(now) == next(ticks)


def test_a_target_without_a_schedule_runs_when_asked(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    path = project.root / "mappings/targets/hr_records.yaml"
    text = path.read_text("utf-8")
    path.write_text(text[: text.index("schedule: {")], "utf-8")

    defs = build_definitions(project.project)

    names = [s.name for s in defs.schedules or []]
    assert "smartfind_schedule" in names
    assert "hr_records_schedule" not in names
    assert defs.resolve_job_def("hr_records").name == "hr_records"
    [state] = project.d118("status", "--target", "hr_records", "--json").json()
    assert (state["last_deadline"], state["next_run"]) == (None, None)
