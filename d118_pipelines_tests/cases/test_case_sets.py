"""Whole OneRoster CSV sets: their encoding, spreadsheets, manifests, and what holds them.

Each folder beside this file is one fault; a test is named after its number.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import HeldError, IncompleteExtractError
from d118_pipelines.sources.oneroster_csv.arrival import look_for_set
from d118_pipelines.sources.oneroster_csv.manifest import Assumed
from d118_pipelines_tests.cases.case import Case, findings, names
from d118_pipelines_tests.support.roster_sync import (
    RosterProject,
    entry,
    rejected_rows,
    staged_rows,
)


@pytest.mark.long
def test_case_02_one_byte_changes_no_other_name(tmp_path: Path) -> None:
    case = Case(tmp_path, "02")
    before = names(case.stage())
    case.put("day2")

    found = case.stage()

    assert before["S100"] == "José"
    assert {k: v for k, v in names(found).items() if k != "S200"} == before
    assert staged_rows(found, "users")["S200"]["last_name"] == "O’Dell"
    [one] = findings(found, "csv.encoding")
    assert (one["external_id"], one["source_line"]) == ("S200", 54)


@pytest.mark.long
def test_case_02_a_row_in_both_encodings_keeps_its_own_letters(tmp_path: Path) -> None:
    case = Case(tmp_path, "02")
    case.change("users", {",José,Pupil0,": ",José,O\udc92Dell,"})

    row = staged_rows(case.stage(), "users")["S100"]

    assert (row["first_name"], row["last_name"]) == ("José", "O’Dell")


@pytest.mark.long
def test_case_02_a_row_with_what_is_no_character_is_rejected_alone(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, "02")
    nothing = {"Pupil5": "\udc81", "Pupil6": "\udced\udca0\udc80", "Pupil7": "\0"}
    case.change(
        "users", {f",{key},": f"{text},{key}," for key, text in nothing.items()}
    )

    found = case.stage()

    rejected = [("users", key, "csv.nul") for key in ("S105", "S106", "S107")]
    assert rejected_rows(found) == rejected
    assert names(found)["S100"] == "José"


def test_case_25_an_entity_without_a_row_left_holds_the_plan(tmp_path: Path) -> None:
    found = Case(tmp_path, "25").stage()

    assert found.held_reason == "Every row of terms is rejected (row.bad_date: 4)."


@pytest.mark.long
def test_case_25_the_plan_waits_and_nothing_is_applied(tmp_path: Path) -> None:
    project = Case(tmp_path, "25").project()

    planned = project.plan("sis")

    held = [rule for rule in planned.plan.rules if not rule.passed]
    assert [rule.code for rule in held] == ["guard.too_many_rejects"]
    with pytest.raises(HeldError, match="Every row of terms is rejected"):
        project.apply("sis")
    assert project.statuses("users") == {}


def crowd(case: Case, pupils: int, *, lost: int) -> None:
    """Pupils in the good class K1, `lost` of their rows in a class that is rejected."""
    case.change("academicSessions", {"08/17/2026": "2026-08-17"})
    case.change("academicSessions", {"06/04/2027": "2027-06-04"})
    case.change("academicSessions", {"12/18/2026": "2026-12-18"})
    case.add("courses", "C9,,,Y27,,X,09,5,,")
    case.add("classes", "K9,,,Art,09,C9,X,scheduled,,5,F27,,,")
    enrollment = "{0},,,{1},5,S1,student,,2026-08-17,2026-12-18"
    for number in range(pupils):
        of = "K9" if number < lost else "K1"
        case.add("enrollments", enrollment.format(f"N{number}", of))


@pytest.mark.long
@pytest.mark.parametrize(("lost", "is_held"), [(5, False), (6, True)])
def test_case_25_a_rejected_course_is_judged_by_what_falls_with_it(
    tmp_path: Path, lost: int, *, is_held: bool
) -> None:
    case = Case(tmp_path, "25")
    crowd(case, 96, lost=lost)
    case.add("classes", *(f"M{n},,,M,09,C1,M,scheduled,,5,F27,,," for n in range(20)))

    found = case.stage()

    assert ("courses", "C9", "row.missing_required") in rejected_rows(found)
    reason = f"{lost} of 100 enrollments are lost with rejected records (courses C9)"
    assert (reason in (found.held_reason or "")) is is_held
    assert (found.held_reason is not None) is is_held


@pytest.mark.long
def test_case_25_what_falls_with_a_class_that_leads_nowhere_counts(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, "25")
    crowd(case, 96, lost=6)
    # The course of the class was never sent.
    case.change("classes", {"Art,09,C9,": "Art,09,C8,"})
    case.change("courses", {"C9,,,Y27,,X": "C9,,,Y27,Art,X"})
    case.add("classes", *(f"M{n},,,M,09,C1,M,scheduled,,5,F27,,," for n in range(20)))

    found = case.stage()

    assert ("classes", "K9", "ref.orphan") in rejected_rows(found)
    assert "6 of 100 enrollments are lost" in (found.held_reason or "")
    assert "classes K9" in (found.held_reason or "")


@pytest.mark.long
def test_case_25_one_course_without_title_holds_no_district(tmp_path: Path) -> None:
    case = Case(tmp_path, "25")
    crowd(case, 12, lost=4)  # a quarter of the enrollments, but four pupils

    assert case.stage().held_reason is None


@pytest.mark.long
def test_case_25_a_fifth_of_one_school_holds_the_plan(tmp_path: Path) -> None:
    case = Case(tmp_path, "25")
    crowd(case, 196, lost=0)
    case.change("courses", {"C2,,,Y27,Homeroom": "C2,,,Y27,"})
    case.add("classes", *(f"M{n},,,M,09,C1,M,scheduled,,5,F27,,," for n in range(40)))

    found = case.stage()

    assert found.held_reason is not None
    assert "2 of 2 enrollments of school 105 are lost" in found.held_reason


def test_case_06_a_set_out_of_a_spreadsheet_is_refused_as_a_whole(
    tmp_path: Path,
) -> None:
    project = Case(tmp_path, "06").project()

    with pytest.raises(IncompleteExtractError, match=r"bundle\.spreadsheet") as caught:
        project.sync("sis")

    files = ["academicSessions.csv", "enrollments.csv", "users.csv"]
    assert f"saved in a spreadsheet: {', '.join(files)}." in str(caught.value)
    # What was found is kept and shown, until a set is staged.
    rows = project.d118("findings", "sis", "--json").json()
    found = {r["file"] for r in rows if r["code"] == "bundle.spreadsheet"}
    assert found >= set(files)
    assert project.statuses("users") == {}


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "old", "new", "is_refused"),
    [
        ("users", "S1,,,true", "4.2E+10,,,true", True),
        ("users", "S1,,,true", '"4,2E+10",,,true', True),
        ("academicSessions", "schoolYear,2026-08-17,", "schoolYear,8/17/2026,", False),
        ("academicSessions", "2026-08-17,2026-12-18", "17-Aug-26,18-Dec-26", True),
        ("academicSessions", "2026-08-17,2026-12-18", "17-AUG-26,18-DEC-26", False),
        ("users", "true,5,student,s1", "TRUE,5,student,s1", False),
    ],
    ids=["number", "comma", "some dates", "months", "oracle", "another case"],
)
def test_case_06_signs_of_a_spreadsheet(
    tmp_path: Path, file: str, old: str, new: str, *, is_refused: bool
) -> None:
    case = Case(tmp_path, "03")
    rest = {"2026-08-17,2027-06-04": "17-Aug-26,4-Jun-27"} if "-Dec-" in new else {}
    case.change(file, {old: new, **rest})

    if not is_refused:
        assert findings(case.stage(), "bundle.spreadsheet") == []
        return
    with pytest.raises(IncompleteExtractError, match=r"bundle\.spreadsheet"):
        case.stage()


def test_case_08_a_set_without_manifest_is_refused_and_told_the_way(
    tmp_path: Path,
) -> None:
    project = Case(tmp_path, "08").project()

    with pytest.raises(IncompleteExtractError, match="withoutManifest") as caught:
        project.pull("sis")

    assert "bundle.manifest_missing" in str(caught.value)


@pytest.mark.long
def test_case_08_a_provider_names_version_and_mode(tmp_path: Path) -> None:
    case = Case(tmp_path, "08")
    said = {"version": "1.1", "mode": "bulk"}
    config = {"path": str(case.set), "withoutManifest": said}
    project = RosterProject(tmp_path / "project", entry("sis", "ONEROSTER_CSV", config))

    project.sync("sis")
    (case.set / "users.csv").unlink()

    assert set(project.statuses("users")) == {"T1", "T2", "S1", "S2"}
    with pytest.raises(IncompleteExtractError, match=r"bundle\.incomplete"):
        project.pull("sis")


def test_case_08_a_set_without_manifest_arrives_where_the_provider_says_so(
    tmp_path: Path,
) -> None:
    folder = Case(tmp_path, "08").set
    first = look_for_set(folder)

    unnamed = look_for_set(folder, first.state)
    named = look_for_set(folder, first.state, assumed=Assumed("1.1", "bulk"))

    assert unnamed.arrived is None
    assert "withoutManifest" in unnamed.reason
    assert named.arrived is not None
    assert named.arrived.version == "1.1"


@pytest.mark.long
def test_case_02_a_surrogate_alone_does_not_change_the_encoding(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    case.change("users", {",Ana,Ruiz,": ",A\udced\udca0\udc80,Ruiz,"})

    found = case.stage()

    assert ("users", "S1", "csv.nul") in rejected_rows(found)
    assert findings(found, "csv.encoding") == []
