"""OneRoster CSV sets as districts and vendors really send them, on their whole way.

Each folder beside this file is one fault; a test is named after its number.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import HeldError, IncompleteExtractError
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.sources.oneroster_csv.arrival import look_for_set
from d118_pipelines.sources.oneroster_csv.manifest import Assumed
from d118_pipelines_tests.sources.oneroster_csv.pulls import pull_path
from d118_pipelines_tests.sources.oneroster_csv.test_staged import staged
from d118_pipelines_tests.support.roster_sync import (
    RosterProject,
    entry,
    files,
    rejected_rows,
    staged_rows,
)

CASES = Path(__file__).parent


class Case:
    """The set of one case, free to be changed."""

    def __init__(self, folder: Path, number: str) -> None:
        [self.source] = CASES.glob(f"{number}-*")
        self.folder, self.set = folder, folder / "set"
        self.runs = 0
        self.put("day1")

    def put(self, day: str) -> None:
        """The set of a day in the place of the one before."""
        shutil.rmtree(self.set, ignore_errors=True)
        shutil.copytree(self.source / day, self.set)

    def change(self, file: str, changes: Mapping[str, str]) -> None:
        """Replace texts of one file of the set; each must be there."""
        path = self.set / f"{file}.csv"
        data = path.read_bytes().decode("utf-8", "surrogateescape")
        for old, new in changes.items():
            assert old in data
            data = data.replace(old, new)
        path.write_bytes(data.encode("utf-8", "surrogateescape"))

    def add(self, file: str, *lines: str) -> None:
        """Add rows to one file of the set."""
        path = self.set / f"{file}.csv"
        text = "".join(f"{line}\n" for line in lines)
        path.write_bytes(path.read_bytes() + text.encode())

    def stage(self) -> Staged:
        """Read and stage the set, without a project."""
        self.runs += 1
        base = self.folder / str(self.runs)
        return staged(pull_path(self.set, base), base)

    def project(self) -> RosterProject:
        """A project whose provider `sis` reads the set."""
        return RosterProject(self.folder / "project", files(self.set, "sis"))


def findings(found: Staged, code: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(found.findings_file).to_pylist()
    return [row for row in rows if row["code"] == code]


def keys(found: Staged, code: str) -> list[str | None]:
    return [row["external_id"] for row in findings(found, code)]


def statuses(found: Staged, entity: str) -> dict[str, str]:
    return {key: row["status"] for key, row in staged_rows(found, entity).items()}


USER = "{0},,,{1},5,student,{0},,Ana,Off,,{0},{0}@d118.example,,,,09,"


def test_case_03_a_word_for_false_disables_the_account(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    case.add("users", *(USER.format(f"X-{w}", w) for w in ("n", "no", "False", "F")))

    found = case.stage()

    active = {k for k, v in statuses(found, "users").items() if v == "active"}
    assert active == {"T1", "T2", "S1", "S2"}
    assert len(staged_rows(found, "users")) == 13


def test_case_03_an_unknown_word_never_enables_an_account(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    unknown = {f"X-{word}": word for word in ("maybe", "2", "falso", "NULL", "-")}
    case.add("users", *(USER.format(*pair) for pair in unknown.items()))

    found = case.stage()

    assert set(keys(found, "row.bad_bool")) == set(unknown)
    assert not set(unknown) & set(staged_rows(found, "users"))
    assert ("users", "X-maybe", "row.bad_bool") in rejected_rows(found)


def test_case_13_a_no_show_is_not_live(tmp_path: Path) -> None:
    found = Case(tmp_path, "13").stage()

    assert statuses(found, "enrollments")["E5"] == "inactive"
    assert "E5" in keys(found, "sem.date_order")


def test_case_13_a_lost_date_never_means_open_ended(tmp_path: Path) -> None:
    case = Case(tmp_path, "13")
    ends = ["00/00/0000", "2026-02-30", "n/a", "12/18/2026", "0"]
    lost = {f"L{number}": end for number, end in enumerate(ends)}
    rows = (f"{key},,,K1,5,T2,aide,,2026-08-17,{end}" for key, end in lost.items())
    case.add("enrollments", *rows)

    found = case.stage()

    assert set(keys(found, "row.bad_date")) == {"E6", *lost}
    assert set(staged_rows(found, "enrollments")) == {"E1", "E2", "E3", "E4", "E5"}


def test_case_42_a_school_year_is_read_or_blank_and_never_guessed(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, "42")
    years = {"1999-2000": 2000, "1999-00": 2000, "2026-27": 2027, "2026-2028": None}
    case.add(
        "academicSessions",
        *(f"{text},,,x,term,2026-08-01,2027-06-01,y,{text}" for text in years),
    )

    found = case.stage()

    assert set(keys(found, "row.bad_year")) == {"t", *years}
    read = {k: row["school_year"] for k, row in staged_rows(found, "terms").items()}
    assert read == {"y": 2027, "t": None, **years}


def names(found: Staged) -> dict[str, str]:
    return {k: row["first_name"] for k, row in staged_rows(found, "users").items()}


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


def test_case_02_a_row_in_both_encodings_keeps_its_own_letters(tmp_path: Path) -> None:
    case = Case(tmp_path, "02")
    case.change("users", {",José,Pupil0,": ",José,O\udc92Dell,"})

    row = staged_rows(case.stage(), "users")["S100"]

    assert (row["first_name"], row["last_name"]) == ("José", "O’Dell")


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


def test_case_25_a_fifth_of_one_school_holds_the_plan(tmp_path: Path) -> None:
    case = Case(tmp_path, "25")
    crowd(case, 196, lost=0)
    case.change("courses", {"C2,,,Y27,Homeroom": "C2,,,Y27,"})
    case.add("classes", *(f"M{n},,,M,09,C1,M,scheduled,,5,F27,,," for n in range(40)))

    found = case.stage()

    assert found.held_reason is not None
    assert "2 of 2 enrollments of school 105 are lost" in found.held_reason


def test_case_06_a_set_out_of_a_spreadsheet_is_held_as_a_whole(tmp_path: Path) -> None:
    case = Case(tmp_path, "06")
    for number in range(30):  # as many as would refuse the file
        case.add("enrollments", f"X{number},,,K1,5,2.02601E+11,student,,,8/17/2026")

    found = case.stage()

    assert found.held_reason is not None
    assert "was opened and saved in a spreadsheet" in found.held_reason
    files = {row["source_file"] for row in findings(found, "bundle.spreadsheet")}
    assert files == {"users.csv", "enrollments.csv", "academicSessions.csv"}


@pytest.mark.parametrize(
    ("file", "old", "new", "is_held"),
    [
        ("users", "S1,,,true", "4.2E+10,,,true", True),
        ("academicSessions", "2026-08-17", "8/17/2026", False),
        ("users", "true,5,student,s1", "TRUE,5,student,s1", False),
    ],
    ids=["a number", "some dates", "another case"],
)
def test_case_06_small_oddities_are_no_spreadsheet(
    tmp_path: Path, file: str, old: str, new: str, *, is_held: bool
) -> None:
    case = Case(tmp_path, "03")
    case.change(file, {old: new})
    if file == "academicSessions":
        case.add(file, "T9,,,x,term,2026-08-17,2026-12-18,Y27,2027")

    found = findings(case.stage(), "bundle.spreadsheet")

    assert bool(found) is is_held


def test_case_12_rows_of_one_class_per_term_are_merged(tmp_path: Path) -> None:
    case = Case(tmp_path, "12")
    # The same fault with people: one row for each school.
    case.add("users", "T2,,,true,5,teacher,t2,,Tia,Moss,,T2,t2@d118.example,,,,,")

    found = case.stage()

    assert set(keys(found, "id.merged")) == {"K1", "T2"}
    assert rejected_rows(found) == []
    assert staged_rows(found, "classes")["K1"]["term_external_ids"] == '["F27","S27"]'
    assert set(staged_rows(found, "enrollments")) == {"E1", "E2", "E3", "E4"}
    roles = json.loads(staged_rows(found, "users")["T2"]["roles"])
    assert [role["school_external_id"] for role in roles] == ["105", "5"]


def test_case_12_rows_that_differ_elsewhere_are_still_rejected(tmp_path: Path) -> None:
    case = Case(tmp_path, "12")
    case.change(
        "classes",
        {
            "K1,,,Algebra 1 - 1,09,C1,ALG1.1,scheduled,R1,5,S27": (
                "K1,,,Algebra 1 - 2,09,C1,ALG1.1,scheduled,R1,5,S27"
            )
        },
    )

    found = case.stage()

    assert keys(found, "id.duplicate") == ["K1", "K1"]


def test_case_01_a_class_without_title_has_that_of_its_course(tmp_path: Path) -> None:
    found = Case(tmp_path, "01").stage()

    assert staged_rows(found, "classes")["K2"]["name"] == "Homeroom"
    assert keys(found, "row.defaulted") == ["K2"]
    assert set(staged_rows(found, "enrollments")) == {"E1", "E2", "E3", "E4"}


def test_case_41_a_person_first_seen_disabled_is_no_conflict(tmp_path: Path) -> None:
    project = Case(tmp_path, "41").project()

    for _ in range(2):
        project.sync("sis")

    assert [status for status, _ in project.runs("sis")] == ["SUCCESS", "SUCCESS"]
    assert project.conflicts() == []
    assert set(project.statuses("enrollments")) == {"e1", "e2"}


def test_case_04_a_placeholder_is_blank_with_one_finding_for_its_row(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, "04")
    case.add(
        "users",
        "P1,,,true,5,student,NULL,,Null,None,N/A,null,nil,-,#N/A,,09,",
        "P2,,,true,5,student,p2,,N/A,Null,Nilsson,,nobody@d118.example,,,,09,",
    )

    found = case.stage()

    users = staged_rows(found, "users")
    assert keys(found, "row.placeholder") == ["S3", "S4", "S5", "S6", "P1", "P2"]
    assert [users[key]["email"] for key in ("S3", "S4", "S5", "S6")] == [None] * 4
    first = users["P1"]
    assert (first["first_name"], first["last_name"]) == ("Null", "None")
    for name in (
        "middle_name",
        "identifier",
        "student_number",
        "email",
        "sms",
        "phone",
    ):
        assert first[name] is None
    assert first["username"] == "P1"
    assert (users["P2"]["first_name"], users["P2"]["last_name"]) == (None, "Null")
    assert users["P2"]["middle_name"] == "Nilsson"


def test_case_14_marks_that_nobody_sees_are_taken_out(tmp_path: Path) -> None:
    case = Case(tmp_path, "14")
    persian = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
    case.add(
        "users",
        f"P1,,,true,5,student,p1,,{persian},O\u2019Dell\u00a0Jr,,,p1@d118.example,,,,09,",
        "P2,,,true,5,student,p\u200d2,,\ufeffLi\u0301a,\u674e,,,\u2060p2@d118.example,,,,09,",
    )

    found = case.stage()

    users = staged_rows(found, "users")
    assert set(keys(found, "row.invisible")) == {"S3", "P1", "P2"}
    third = users["S3"]
    assert (third["first_name"], third["last_name"]) == ("Mia", "Solis")
    assert third["email"] == "s3@d118.example"
    assert third["phone"] == "+1 (847)-555-0101"
    assert (users["P1"]["first_name"], users["P1"]["last_name"]) == (
        persian,
        "O\u2019Dell Jr",
    )
    assert (users["P2"]["username"], users["P2"]["first_name"]) == ("p2", "Li\u0301a")


def test_case_24_the_school_types_of_vendors_are_schools(tmp_path: Path) -> None:
    case = Case(tmp_path, "24")
    words = ["High School", "middle", "JuniorHigh", "K-12", "charter_school"]
    case.add("orgs", *(f"O{n},,,x,{word},,D1" for n, word in enumerate(words)))
    case.add("orgs", "O9,,,x,warehouse,,D1")

    found = case.stage()

    types = {key: row["org_type"] for key, row in staged_rows(found, "orgs").items()}
    schools = {"5", "105", *(f"O{number}" for number in range(5))}
    assert {key for key, kind in types.items() if kind == "school"} == schools
    assert set(keys(found, "row.enum_alias")) == schools - {"5"}
    assert rejected_rows(found) == [("orgs", "O9", "row.bad_enum")]
    assert set(staged_rows(found, "users")) == {"T1", "T2", "S1", "S2"}


def test_case_11_an_orphan_says_that_only_its_case_differs(tmp_path: Path) -> None:
    case = Case(tmp_path, "11")
    case.change("classes", {",F27,,,1": ",f27,,,1"})

    found = case.stage()

    [orphan] = findings(found, "ref.orphan")
    key = "A1B2C3D4-0000-4000-8000-00000000ABCD"
    assert orphan["detail"] == f"differs in case only: {key}"
    [element] = findings(found, "ref.orphan_element")
    assert element["detail"] == "differs in case only: F27"


def test_case_15_grades_of_vendors_are_kept_and_told_once_of_a_pupil(
    tmp_path: Path,
) -> None:
    found = Case(tmp_path, "15").stage()

    odd = ["S11", "S12", "S15", "S17", "S18", "S20"]
    assert keys(found, "row.bad_grade") == odd
    users = staged_rows(found, "users")
    assert users["S14"]["grade_level"] == "KG"
    assert users["S12"]["grades"] == '["PK3"]'
    [aliases] = findings(found, "row.grade_alias")
    assert (aliases["count"], aliases["external_id"]) == (3, None)


def test_case_43_an_alias_of_a_grade_is_one_counted_line(tmp_path: Path) -> None:
    case = Case(tmp_path, "43")
    case.add(
        "users", *(f"N{n},,,true,s,student,n{n},,A,B,,,,,,,{n}," for n in range(1, 10))
    )

    [line] = findings(case.stage(), "row.grade_alias")

    assert (line["count"], line["severity"], line["field"]) == (10, "warn", "grades")


def test_case_05_one_person_in_two_rows_names_both(tmp_path: Path) -> None:
    found = Case(tmp_path, "05").stage()

    told = {f["external_id"]: f["detail"] for f in findings(found, "id.same_person")}
    assert told == {
        "A7": "the same person as T7",
        "T7": "the same person as A7",
    }


def test_case_08_a_set_without_manifest_is_refused_and_told_the_way(
    tmp_path: Path,
) -> None:
    project = Case(tmp_path, "08").project()

    with pytest.raises(IncompleteExtractError, match="withoutManifest") as caught:
        project.pull("sis")

    assert "bundle.manifest_missing" in str(caught.value)


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


def test_case_02_a_surrogate_alone_does_not_change_the_encoding(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    case.change("users", {",Ana,Ruiz,": ",A\udced\udca0\udc80,Ruiz,"})

    found = case.stage()

    assert ("users", "S1", "csv.nul") in rejected_rows(found)
    assert findings(found, "csv.encoding") == []
