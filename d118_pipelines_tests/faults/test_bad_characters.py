"""A NUL in PowerSchool's extracts: a finding of its row, and the district goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from d118_pipelines.sources.pull import find_pull
from d118_pipelines.workflows.providers import sync
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    RosterProject,
    entry,
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A roster database of each kind; the empty text is the project's SQLite file."""
    if request.param == "sqlite":
        yield ""
        return
    yield from new_database()


def put_nul(file: Path) -> int:
    """Put a NUL into the last name of the first row; its key."""
    table = pq.read_table(file)
    number = table.schema.get_field_index("last_name")
    names = table.column(number).to_pylist()
    names[0] = f"\x00{names[0]}\x00"
    changed = pa.array(names, pa.string())
    pq.write_table(table.set_column(number, "last_name", changed), file)
    assert pc.any(pc.match_substring(changed, "\x00")).as_py()
    return int(table.column(0)[0].as_py())


@pytest.mark.long
def test_a_nul_in_an_extract_is_a_finding_of_its_row(url: str, tmp_path: Path) -> None:
    powerschool = entry("powerschool", "POWERSCHOOL", {}, sync=PEOPLE_ONLY)
    project = RosterProject(tmp_path / "project", powerschool, url=url)
    project.pull("powerschool")
    pull = find_pull(project.home / "raw/powerschool")
    assert pull is not None
    key = put_nul(pull.rows_file("students"))
    with project.step() as run:
        staged = sync.stage_provider(run, project.provider("powerschool"))
        assert staged is not None
        sync.plan_provider(run, project.provider("powerschool"))
    assert project.apply("powerschool").status == "SUCCESS"

    [found] = [
        row
        for row in pq.read_table(staged.findings_file).to_pylist()
        if row["code"] == "row.bad_character"
    ]
    assert (found["external_id"], found["source_file"]) == (str(key), "students")
    assert found["detail"].endswith("last_name")
