"""What the check of a finished set finds, and what it does not mind."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.workflows.targets.self_check import read_back
from d118_pipelines_tests.support.bundles import BASE_1_1, BASE_1_2, ENROLLMENTS, set_of

TERM = "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,"
GOOD_ENROLLMENT = "E-1,,,51234,S5,S-9001,student,,2026-08-17,2027-01-16\n"


def checked(folder: Path, version: str = "1.1", **changes: Any) -> list[str]:
    """The verdict on a set with these files changed."""
    base = BASE_1_1 if version == "1.1" else BASE_1_2
    archive = folder / "oneroster.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name, data in set_of(base, version=version, **changes).items():
            opened.writestr(name, data)
    (folder / "frames").mkdir()
    return read_back(archive, folder / "frames")


@pytest.mark.long
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_good_set_is_silent(tmp_path: Path, version: str) -> None:
    assert checked(tmp_path, version) == []


@pytest.mark.long
def test_each_finding_names_code_file_line_and_record(tmp_path: Path) -> None:
    rows = GOOD_ENROLLMENT + "E-2,,,51234,S5,NOBODY,student,,2026-08-17,2027-01-16\n"
    rows += "E-3,,,51234,S5,T-77,teacher,TRUE,2026-08-17,2027-01-16\n"
    rows += "E 4,,,51234,S5,T-77,proctor,,2026-08-17,2027-01-16\n"

    assert checked(tmp_path, enrollments=ENROLLMENTS + rows) == [
        "ref.orphan: enrollments.csv, line 3, E-2",
        "row.bad_guid: enrollments.csv, line 5, E 4",
        "row.bool_form: enrollments.csv, line 4, E-3",
    ]


@pytest.mark.long
def test_faults_of_form_are_found_as_well(tmp_path: Path) -> None:
    rows = "E-1,active,2026-09-01T00:00:00.000Z,51234,S5, S-9001,student,,,\n"

    assert [
        text.split(",")[0] for text in checked(tmp_path, enrollments=ENROLLMENTS + rows)
    ] == [
        "row.status_in_bulk: enrollments.csv",
        "row.whitespace: enrollments.csv",
    ]


def test_a_set_that_cannot_be_read_at_all_is_one_finding(tmp_path: Path) -> None:
    [fault] = checked(tmp_path, classes=None, manifest="propertyName,value\n")
    assert fault.startswith("FAILED bundle.version_unsupported")

    (tmp_path / "other").mkdir()
    [fault] = checked(tmp_path / "other", courses=None)
    assert fault.startswith("FAILED bundle.incomplete")


@pytest.mark.long
def test_what_the_importer_only_doubts_is_no_fault(tmp_path: Path) -> None:
    sessions = (
        f"{TERM}schoolYear\n"
        "D100-3600,,,Year,schoolYear,2026-08-17,2027-06-05,,2026\n"
        "D100-3601,,,S1,semester,2026-08-17,2027-01-16,D100-3600,2027\n"
    )
    rows = GOOD_ENROLLMENT + "e-1,,,51234,S5,T-77,proctor,,2026-08-17,2027-01-16\n"
    header = BASE_1_1["demographics"].split("\n")[0] + "\n"

    assert (
        checked(
            tmp_path,
            academicSessions=sessions,
            enrollments=ENROLLMENTS + rows,
            demographics=header,
        )
        == []
    )
