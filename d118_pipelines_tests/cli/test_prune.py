"""`d118 prune`, and the runs of Dagster that go with it."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from d118_pipelines.instance import dagster_instance, remove_old_runs
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines_tests.support.project import ProjectFolder

HOUR = dt.timedelta(hours=1)


def test_an_old_run_goes_with_all_that_dagster_has_of_it(
    project: ProjectFolder,
) -> None:
    run = project.d118("run", "hr_records", "--json").json()["run_id"]
    history, key = project.root / ".dagster", dg.AssetKey(["deliveries", "hr_records"])
    with project.entered(), dagster_instance(project.project) as instance:
        ended = instance.get_run_by_id(run)
        assert ended is not None and ended.is_finished
        assert [path for path in history.rglob("*") if run in path.name]

        # Nothing is as old as an hour; all is older than what is in an hour.
        assert remove_old_runs(instance, project.project, utc_now() - HOUR, False) == 0
        assert remove_old_runs(instance, project.project, utc_now() + HOUR, True) >= 1
        assert instance.get_run_by_id(run) is not None
        assert remove_old_runs(instance, project.project, utc_now() + HOUR, False) >= 1

        assert instance.get_run_by_id(run) is None
        assert [path for path in history.rglob("*") if run in path.name] == []
        assert instance.get_latest_materialization_event(key) is not None
    assert project.d118("status").code == 0


def test_a_prune_says_each_class_and_leaves_what_is_young(
    project: ProjectFolder,
) -> None:
    before = set(project.home.rglob("*.parquet"))

    planned = project.d118("prune", "--dry-run", "--json").json()
    told = project.d118("prune")

    assert {one["kind"]: one["days"] for one in planned} == {
        **{"raw": 14, "staged": 14, "plans": 30, "exports": 30, "archived": 30},
        **{"tables": 3, "plan rows": 30, "findings": 30, "logs": 7, "history": 90},
        **{"webhooks": 30, "people": 365, "runs": 30},
        **{"result files": 30, "vendors' answers": 30},
    }
    assert {one["removed"] for one in planned} == {0}
    assert told.code == 0
    assert "older, but kept" in told.out
    assert set(project.home.rglob("*.parquet")) == before
