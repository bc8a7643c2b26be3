"""Runs of roster syncs: exit codes, two at once, killed ones.

`d118 run` goes through Dagster, as a person starts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.errors import BusyError
from d118_pipelines_tests.support.lease_holder import lease_held
from d118_pipelines_tests.support.oneroster_data import district, person
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    RosterProject,
    SyncedDistrict,
    counts,
    without,
)

MANY = [f"U000000{number}" for number in range(6)]


@pytest.fixture(scope="module")
def sis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncedDistrict]:
    folder = tmp_path_factory.mktemp("sis")
    with SyncedDistrict(folder, district(12), sync=PEOPLE_ONLY) as synced:
        yield synced


@pytest.fixture
def project(sis: SyncedDistrict, tmp_path: Path) -> RosterProject:
    return sis.begin(tmp_path)


@pytest.mark.long
def test_c16_row9_what_is_not_done_never_exits_0(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    sis.serve(users=without(sis.data["users"], *MANY))
    held = project.d118("run", "sis")
    sis.serve(users=[])
    failed = project.d118("run", "sis")
    unknown = project.d118("run", "nobody")

    assert [answer.code for answer in (held, failed, unknown)] == [3, 1, 2]
    assert "HELD guard.deactivated.per_school" in held.err + held.out
    assert "rest.empty_collection" in failed.err + failed.out
    statuses = [status for status, _ in project.runs("sis")]
    assert statuses == ["SUCCESS", "HELD", "FAILURE"]


@pytest.mark.long
@pytest.mark.real
def test_c11_row12_second_run_gives_way_and_a_killed_holder_does_not_block(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    runs = project.runs("sis")
    with lease_held(project, "sis") as holder:
        with pytest.raises(BusyError):
            project.pull("sis")
        assert project.runs("sis") == runs
        holder.kill()
        holder.wait()
        sis.serve(users=[*sis.data["users"], person(77)])

        assert counts(project.sync("sis")) == {"created": 1}


@pytest.mark.long
def test_c13_run_that_was_lost_is_closed_by_the_next_one(
    project: RosterProject,
) -> None:
    project.plan("sis")
    assert project.runs("sis")[-1] == ("IN_PROGRESS", None)

    project.sync("sis")

    (lost, why), last = project.runs("sis")[1:]
    assert (lost, last) == ("FAILURE", ("SUCCESS", None))
    assert "its process was killed" in str(why)


def test_s10_runs_and_records_of_a_provider_that_is_removed_stay(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    tables = ("users", "sis_sync_runs", "audit_log", "external_ids")
    before = project.dump(*tables)

    project.set_providers()
    answer = project.d118("providers", "list")

    assert answer.code == 0, answer.err
    assert project.dump(*tables) == before
