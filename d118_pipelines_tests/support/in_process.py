"""Dagster runs of a temporary project in this process.

Belongs here: executing its jobs and reading what they recorded. Not here: the command
lines (`project.py`), servers (`dagster_ui.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import dagster as dg

from d118_pipelines.definitions import build_definitions
from d118_pipelines_tests.support.project import ProjectFolder

Metadata = Mapping[str, Any]


def execute(
    project: ProjectFolder,
    job: str = "",
    *,
    select: Sequence[str] = (),
    instance: dg.DagsterInstance | None = None,
    run_config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    **more: str,
) -> dg.ExecuteInProcessResult:
    """Run a job, by default every asset; `select` names assets, `more` sets variables."""
    own = instance or dg.DagsterInstance.ephemeral()
    with project.entered(**more), own if instance is None else nullcontext():
        defs = build_definitions(project.project)
        found = (
            defs.resolve_job_def(job)
            if job
            else defs.resolve_implicit_global_asset_job_def()
        )
        return found.execute_in_process(
            instance=own,
            asset_selection=[dg.AssetKey(name.split("/")) for name in select] or None,
            run_config=dict(run_config or {}),
            tags=tags,
            raise_on_error=False,
        )


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    """The assets that the run materialized."""
    return {
        event.asset_key.to_user_string()
        for event in result.all_events
        if event.is_step_materialization and event.asset_key is not None
    }


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> Metadata:
    """What the run recorded about an asset: name -> value."""
    [event] = [
        event
        for event in result.all_events
        if event.is_step_materialization
        and event.asset_key == dg.AssetKey(asset.split("/"))
    ]
    return event.step_materialization_data.materialization.metadata


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Name and description of every check that did not pass."""
    return {
        check.check_name: check.description or ""
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }


def failures(result: dg.ExecuteInProcessResult) -> dict[str, dg.Failure]:
    """What the assets themselves raised, by step."""
    return {
        event.step_key: event.step_failure_data.user_failure_data
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    }
