"""`d118 audit`: who did what, as a table, as JSON and as CSV."""

from __future__ import annotations

import csv
import io

import pytest

from d118_pipelines.workflows.runs.run import account
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder


@pytest.mark.long
def test_a_run_and_what_a_person_took_out_are_in_the_log(
    project: ProjectFolder,
) -> None:
    project.set_people([*PEOPLE, Person(4200)])
    run = project.d118("run", "hr_records", "--json").json()["run_id"]
    project.d118("findings", "hr_records", "--csv")
    project.d118("explain", "hr_records", "4200", "--show-values")

    rows = project.d118("audit", "--object", "hr_records", "--json").json()
    told = [(row["action"], row["detail"]) for row in rows if row["actor"] == account()]

    assert told[0] == ("exported", "explain, with values, 4200")
    assert told[1][0] == "exported"
    assert told[1][1].startswith("findings, csv, ")
    assert told[2] == ("run ended", f"run {run}: done")
    assert told[3][0] == "delivered"
    assert f"run {run}" in told[3][1]
    assert told[4] == ("run started", f"run {run}")
    assert "p4200" not in str(rows)

    answer = project.d118("audit", "--action", "run", "--limit", "2", "--csv")
    listed = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["action"] for row in listed] == ["run ended", "run started"]
    assert "run ended" in project.d118("audit", "--since", "2026-01-01").out


def test_a_time_that_is_none_is_2(project: ProjectFolder) -> None:
    answer = project.d118("audit", "--since", "yesterday")

    assert answer.code == 2
    assert "--since yesterday is no time" in answer.err
