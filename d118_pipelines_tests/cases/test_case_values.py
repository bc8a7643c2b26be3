"""Words and marks in OneRoster CSV sets: booleans, dates, grades, types, placeholders.

Each folder beside this file is one fault; a test is named after its number.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines_tests.cases.case import Case, findings, keys, statuses
from d118_pipelines_tests.support.roster_sync import (
    rejected_rows,
    staged_rows,
)

USER = "{0},,,{1},5,student,{0},,Ana,Off,,{0},{0}@d118.example,,,,09,"


@pytest.mark.long
def test_case_03_a_word_for_false_disables_the_account(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    case.add("users", *(USER.format(f"X-{w}", w) for w in ("n", "no", "False", "F")))

    found = case.stage()

    active = {k for k, v in statuses(found, "users").items() if v == "active"}
    assert active == {"T1", "T2", "S1", "S2"}
    assert len(staged_rows(found, "users")) == 13


@pytest.mark.long
def test_case_03_an_unknown_word_never_enables_an_account(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    unknown = {f"X-{word}": word for word in ("maybe", "2", "falso", "NULL", "-")}
    case.add("users", *(USER.format(*pair) for pair in unknown.items()))

    found = case.stage()

    assert set(keys(found, "row.bad_bool")) == set(unknown)
    assert not set(unknown) & set(staged_rows(found, "users"))
    assert ("users", "X-maybe", "row.bad_bool") in rejected_rows(found)


@pytest.mark.long
def test_case_13_a_no_show_is_not_live(tmp_path: Path) -> None:
    found = Case(tmp_path, "13").stage()

    assert statuses(found, "enrollments")["E5"] == "inactive"
    assert "E5" in keys(found, "sem.date_order")


@pytest.mark.long
def test_case_13_a_lost_date_never_means_open_ended(tmp_path: Path) -> None:
    case = Case(tmp_path, "13")
    ends = ["00/00/0000", "2026-02-30", "n/a", "12/18/2026", "0"]
    lost = {f"L{number}": end for number, end in enumerate(ends)}
    rows = (f"{key},,,K1,5,T2,aide,,2026-08-17,{end}" for key, end in lost.items())
    case.add("enrollments", *rows)

    found = case.stage()

    assert set(keys(found, "row.bad_date")) == {"E6", *lost}
    assert set(staged_rows(found, "enrollments")) == {"E1", "E2", "E3", "E4", "E5"}


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


NO_ADDRESSES = (
    *("@", "test@", "a b@d118.example", "x@d118.example;y@d118.example"),
    *("mailto:z@d118.example", "Ana <z@d118.example>", "z@d118"),
)
NOTHING = ("NaN", "nULL", "Unknown", "noemail", "no email", "TBD", "none given")
WORDS = ("inactive", "Disabled", "off", "active", "ENABLED", "on")
UNKNOWN = ("nein", "nein", "wahr", "2", "Zoe")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Staged:
    """Cases 03, 04, 14, 15, 24 and 42 with what other vendors write; one staging for all."""
    case = Case(tmp_path_factory.mktemp("odd"), "24")
    kinds = ["K-5", "7-12 school", "HS", "Charter", "Elem"]
    case.add("orgs", *(f"O{n},,,x,{word},,D1" for n, word in enumerate(kinds)))
    case.add("orgs", "O9,,,x,LEA,,")
    person = "{0},,,true,5,student,{0},,{1},{2},,{3},{0}@d118.example,,,,{4},"
    case.add(
        "users",
        person.format("P1", "Mia", "#REF!", "(none)", "Gr. 9"),
        person.format("P2", "Li\ufe0fa", "O\u2009Hara", "NaN", "9.0"),
        person.format("P3", "Cher", ".", "", "NULL"),
        person.format("2.02601E+03", "Lost", "Digits", "", "09"),
        "S\x1b[2J21,,,true,5,student,s21,,Garbled,Key,,,s21@d118.example,,,,09,",
        person.format("P4", "Mi\x1b\x07a", "O\x7fDell\x0b", "4\t\x1f4", "09"),
    )
    mailed = "{0},,,true,5,student,,,Ana,Ruiz,,,{1},,,,,"
    mails = [*NO_ADDRESSES, *NOTHING]
    case.add("users", *(mailed.format(f"M{n}", m) for n, m in enumerate(mails)))
    booleans = [*WORDS, *UNKNOWN]
    case.add("users", *(USER.format(f"B{n}", w) for n, w in enumerate(booleans)))
    year = "{0},,,x,term,2026-08-01,2027-06-01,Y27,{1}"
    terms = {"Y1": "2027.0", "Y2": "1026", "Y3": "SY27"}
    case.add("academicSessions", *(year.format(*pair) for pair in terms.items()))
    case.add("academicSessions", "Y4,,,x,term,2026-02-30,2027-06-01,Y27,2027")
    case.change("users", {"2.02601E+03": "2.02601e+03"})  # else the set is refused
    return case.stage()


@pytest.mark.long
def test_other_words_of_the_same_kinds_are_read_alike(odd: Staged) -> None:
    found = odd

    types = {key: row["org_type"] for key, row in staged_rows(found, "orgs").items()}
    assert {types[f"O{n}"] for n in range(5)} == {"school"}
    assert types["O9"] == "district"
    users = staged_rows(found, "users")
    assert users["P1"]["last_name"] is None and users["P1"]["identifier"] is None
    assert [users[key]["grades"] for key in ("P1", "P2")] == ['["09"]'] * 2
    assert (users["P2"]["first_name"], users["P2"]["last_name"]) == ("Lia", "O Hara")
    assert (users["P3"]["last_name"], users["P3"]["grades"]) == (None, None)
    assert ("users", "2.02601e+03", "row.bad_guid") in rejected_rows(found)
    read = {k: row["school_year"] for k, row in staged_rows(found, "terms").items()}
    assert (read["Y1"], read["Y2"], read["Y3"]) == (2027, None, None)


@pytest.mark.long
def test_a_key_with_control_characters_is_unreadable_with_one_finding(
    odd: Staged,
) -> None:
    garbled = "S\x1b[2J21"
    told = pq.read_table(odd.findings_file).to_pylist()
    [only] = [f for f in told if f["external_id"] == garbled]
    assert (only["code"], only["severity"]) == ("row.bad_guid", "reject")
    assert ("users", garbled, "row.bad_guid") in rejected_rows(odd)
    assert odd.entities["users"].unreadable_keys == 2  # and the lost digits


def test_what_is_not_one_email_address_is_blank_with_a_finding(odd: Staged) -> None:
    users = staged_rows(odd, "users")
    wrong = [f"M{n}" for n in range(len(NO_ADDRESSES))]
    blank = [f"M{n + len(wrong)}" for n in range(len(NOTHING))]

    assert keys(odd, "row.bad_email") == wrong
    told = [f for f in findings(odd, "row.placeholder") if f["detail"] == "email"]
    assert [f["external_id"] for f in told] == blank
    assert {users[key]["email"] for key in (*wrong, *blank)} == {None}
    assert {users[key]["username"] for key in wrong} == set(wrong)
    assert users["P1"]["email"] == "P1@d118.example"


def test_control_characters_in_texts_are_taken_out_with_a_finding(
    odd: Staged,
) -> None:
    person = staged_rows(odd, "users")["P4"]
    [told] = [f for f in findings(odd, "row.invisible") if f["external_id"] == "P4"]

    assert (person["first_name"], person["last_name"]) == ("Mia", "ODell")
    assert person["identifier"] == "4\t4"
    assert {"first_name", "last_name", "identifier"} < set(told["detail"].split(", "))


def test_rejects_name_unknown_truth_values_dates_and_years(odd: Staged) -> None:
    active = statuses(odd, "users")
    assert [active[f"B{n}"] for n in range(6)] == ["inactive"] * 3 + ["active"] * 3
    lost = [f"B{6 + n}" for n in range(len(UNKNOWN))]
    told = {f["external_id"]: f for f in findings(odd, "row.bad_bool")}
    assert set(told) == {*lost, None}
    words = ["the word is nein"] * 2 + ["the word is wahr", "the word is 2", ""]
    assert [told[key]["detail"] for key in lost] == words
    assert (told[None]["detail"], told[None]["count"]) == ('enabled "nein": 2 users', 2)
    years = {f["external_id"]: f["detail"] for f in findings(odd, "row.bad_year")}
    assert years == {"Y2": "the text is 1026", "Y3": "the text is SY27"}
    [date] = findings(odd, "row.bad_date")
    assert date["detail"] == "the text is 2026-02-30"


@pytest.mark.long
def test_rejects_name_the_word_and_the_line_to_add(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    words = {"R1": "Office Staff", "R2": "ext:coach", "R3": "ext:coach", "R4": "Zoe"}
    row = "{0},,,true,5,{1},{0},,Ana,Off,,{0},{0}@d118.example,,,,,"
    case.add("users", *(row.format(*pair) for pair in words.items()))
    case.add(
        "enrollments",
        *(f"E{n},,,K1,5,S1,substitute,,," for n in "78"),
        "E9,,,K1,5,S1,Zoe,,,",
    )

    found = case.stage()

    told = {
        (f["entity"], f["count"], f["detail"])
        for f in findings(found, "row.bad_enum")
        if f["detail"].startswith("role ")
    }
    line = "add under role_map in mappings/oneroster.yaml"
    assert told == {
        ("users", 1, f'role "Office Staff": 1 user; {line}: "Office Staff": ...'),
        ("users", 2, f'role "ext:coach": 2 users; {line}: "ext:coach": ...'),
        (
            "enrollments",
            2,
            f'role "substitute": 2 enrollments; {line}: "substitute": ...',
        ),
    }
    assert {key for _, key, _ in rejected_rows(found)} == {*words, "E7", "E8", "E9"}
    assert "Zoe" not in str([f["detail"] for f in findings(found, "row.bad_enum")])


@pytest.mark.long
def test_a_refused_set_names_the_word_and_keeps_its_findings(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    row = "X{0},,,true,5,ext:coach,x{0},,Ana,Off,,{0},x{0}@d118.example,,,,,"
    case.add("users", *(row.format(number) for number in range(25)))

    with pytest.raises(IncompleteExtractError) as caught:
        case.stage()

    line = 'role "ext:coach": 25 users; add under role_map in mappings/oneroster.yaml'
    assert line in caught.value.where
    [kept] = tmp_path.glob("1/staged/refused.parquet")
    rows = pq.read_table(kept).to_pylist()
    assert {row["external_id"] for row in rows} > {f"X{n}" for n in range(25)}
    assert [r["code"] for r in rows if r["severity"] == "fatal"] == [
        "bundle.too_many_rejects"
    ]
