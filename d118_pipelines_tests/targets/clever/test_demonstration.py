"""The demonstration district's set for Clever, on the days on which its year turns."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from pathlib import Path

import pytest

from d118_pipelines_tests.demo.awkward import make_awkward_district
from d118_pipelines_tests.targets.clever.small_district import (
    CleverSync,
    Made,
    teachers_of,
)

AWKWARD = {
    # What is wrong with one student of every class: the columns that show it.
    1: {"Last_name": "Lindqvist, Jr."},
    2: {"First_name": 'Anna "Annie"'},
    3: {"First_name": 'Lee, "Chip"', "Middle_name": 'de "la", Cruz'},
    6: {"State_id": ""},
    7: {"State_id": ""},
    8: {"Gender": ""},
    9: {"Dob": ""},
    10: {"Frl_status": "F"},
    11: {"Frl_status": "F"},
    12: {"Frl_status": "N"},
    13: {"Student_Street": '7 Elm St, "Unit B"'},
    14: {"Student_Street": "9 Fern Rd Unit 3"},
}


def demonstration(folder: Path, day: dt.date) -> CleverSync:
    sync = CleverSync(folder).on(day.isoformat())
    shutil.rmtree(sync.tables)
    make_awkward_district(sync.tables, today=day)
    return sync


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("demonstration")
    return demonstration(folder, dt.date(2026, 11, 2)).made()


@pytest.mark.long
@pytest.mark.parametrize("day", [dt.date(2027, 6, 30), dt.date(2027, 7, 1)], ids=str)
def test_it_is_delivered_on_the_last_and_the_first_day_of_its_year(
    tmp_path: Path, day: dt.date
) -> None:
    sync = demonstration(tmp_path, day)

    sync.run()

    rows = {name: len(sync.lines(name)) - 1 for name in sync.files()}
    assert rows.keys() == {"Students.csv", "Teachers.csv", "Sections.csv"}
    assert rows["Students.csv"] > 3_900
    assert rows["Teachers.csv"] > 500
    assert rows["Sections.csv"] > 1_200


@pytest.mark.long
def test_awkward_students_are_sent_as_they_are(made: Made) -> None:
    rows = {int(key) - 7: row for key, row in made.students().items()}  # by DCID
    for place, cells in AWKWARD.items():
        found = [row for dcid, row in rows.items() if dcid % 1000 == place]
        assert len(found) > 10
        for row in found:
            assert {name: row[name] for name in cells} == cells, place


def test_one_section_has_more_than_ten_teachers_and_none_has_one_twice(
    made: Made,
) -> None:
    named = {key: teachers_of(row) for key, row in made.sections().items()}

    [crowded] = [key for code, key in made.findings() if code == "too_many_teachers"]
    assert len(named[crowded]) == 10
    assert not [key for key, people in named.items() if len(set(people)) < len(people)]


def test_only_the_findings_that_the_awkward_cases_ask_for(made: Made) -> None:
    codes = Counter(code for code, _ in made.findings())

    assert codes.keys() == {
        "bad_name",
        "bad_value",
        "control_characters",
        "missing_required",
        "no_teacher",
        "orphan",
        "too_many_teachers",
    }
    assert codes["missing_required"] == codes["too_many_teachers"] == 1
    assert 10 < codes["bad_value"] < 20
    assert codes["orphan"] < 40
