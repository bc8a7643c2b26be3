"""What is wrong with a record is found with its code and line; the rest is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines_tests.sources.oneroster_csv.pulls import pull_set, refusal
from d118_pipelines_tests.support.bundles import (
    BASE_1_1,
    ENROLLMENTS,
    ORGS,
    USERS_1_1,
    set_of,
)

GOOD = "E-1,,,51234,S5,S-9001,student,,2026-08-17,2027-01-16\n"
LAST = "E-9,,,51234,S5,S-9001,student,,2026-08-17,2027-01-16\n"
AT_LINE_3 = {
    "too few": ("E-2,,,51234\n", "csv.ragged reject", "E-2"),
    "too many": (
        GOOD.replace("E-1", "E-2").strip() + ",x\n",
        "csv.ragged reject",
        "E-2",
    ),
    "quote inside": ('E-2,,,51234,S5,a"b,,,,\n', "csv.bad_quote reject", "E-2"),
    "text after": ('E-2,,,51234,S5,"a"b,,,,\n', "csv.bad_quote reject", "E-2"),
    "quoted key": ('"E-2",,,51234\n', "csv.ragged reject", "E-2"),
    "key unreadable": ('"E"-2,,,51234,S5,a,,,,\n', "csv.bad_quote reject", None),
    "rest of a name": ("Doe,,219001\n", "csv.ragged reject", None),
    "rest of an address": ("doe5@mail.example,,219001\n", "csv.ragged reject", None),
    "nul": ("E-2,,,51234,S5,a\0b,,,,\n", "csv.nul reject", "E-2"),
    "nul in key": ("E\0-2,,,51234,S5,a,,,,\n", "csv.nul reject", None),
    "long field": (f"E-2,,,{'x' * 65537},S5,a,,,,\n", "row.too_long reject", "E-2"),
    "surplus blanks": (
        GOOD.replace("E-1", "E-2").strip() + ", ,\n",
        "csv.ragged warn",
        None,
    ),
    "line break": ('E-2,,,"512\n34",S5,a,,,,\n', "csv.line_break warn", None),
    "CRLF": ('E-2,,,"512\r\n34",S5,a,,,,\n', "csv.line_break warn", None),
    "blank": ("\n", "csv.blank_line info", None),
    "blanks": (" \t\n", "csv.blank_line info", None),
}


def enrollments(text: str) -> dict[str, bytes]:
    return set_of(enrollments=ENROLLMENTS + text)


@pytest.mark.parametrize("name", AT_LINE_3)
def test_fault_of_a_record_is_found_at_its_line(name: str, tmp_path: Path) -> None:
    text, code, key = AT_LINE_3[name]

    pulled = pull_set(enrollments(GOOD + text + LAST), tmp_path)

    assert pulled.codes() == [code]
    [finding] = pulled.findings()
    assert (finding["source_line"], finding["external_id"]) == (3, key)
    rows = pulled.rows("enrollments")
    assert rows[0]["_line"] == 2
    assert rows[-1]["_line"] == 3 + text.count("\n")
    assert rows[-1]["sourcedId"] == "E-9"
    assert len(rows) == (3 if code.endswith("warn") else 2)


def test_line_break_becomes_one_blank(tmp_path: Path) -> None:
    pulled = pull_set(enrollments('E-2,,,"512\r\n34",S5,a,,,,\n'), tmp_path)

    assert pulled.rows("enrollments")[0]["classSourcedId"] == "512 34"


def test_forgotten_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    broken = 'E-2,,,"51234,S5,a,,,,\n'
    quoted = 'E-4,,,"51234",S5,a,,,,\n'

    pulled = pull_set(enrollments(GOOD + broken + LAST + quoted), tmp_path)

    assert [r["sourcedId"] for r in pulled.rows("enrollments")] == ["E-1", "E-9", "E-4"]
    assert [f["external_id"] for f in pulled.found("csv.bad_quote")] == ["E-2"]


def test_set_that_ends_inside_quotes_is_refused(tmp_path: Path) -> None:
    text = refusal(enrollments(GOOD + 'E-2,,,"51234\n' + LAST), tmp_path)

    assert "FAILED csv.unclosed_quote" in text
    assert "enrollments.csv, line 3" in text


@pytest.mark.parametrize("is_careful", [False, True])
def test_set_cut_off_in_the_middle_of_its_last_record_is_refused(
    tmp_path: Path, *, is_careful: bool
) -> None:
    whole, cut = GOOD + LAST.rstrip("\n"), GOOD + "E-9,,,51234,S5"

    text = refusal(enrollments(cut), tmp_path / "cut", is_careful=is_careful)

    assert "FAILED csv.cut_off" in text
    assert "enrollments.csv, line 3" in text
    pulled = pull_set(enrollments(whole), tmp_path / "whole", is_careful=is_careful)
    assert [row["sourcedId"] for row in pulled.rows("enrollments")] == ["E-1", "E-9"]
    assert pulled.findings() == []


def test_record_above_the_limit_refuses_the_set(tmp_path: Path) -> None:
    limits = Limits(max_record_bytes=2000)
    text = refusal(
        enrollments(GOOD + f"E-2,{'x' * 3000},\n" + LAST), tmp_path, limits=limits
    )

    assert "FAILED csv.record_too_long" in text
    assert "enrollments.csv, line 3" in text


def test_rows_of_the_worked_example_have_their_form_checked(tmp_path: Path) -> None:
    rows = (
        "E-1,,,51234,S5,S-9001,student,,2026-08-17,2027-01-16\n"
        "E-2,,,51234,S5,T-77,Teacher,TRUE,2026-08-17,2027-01-16\n"
        "E-3,,,51234,S5,S-9002,pupil,,2026-08-17,2027-01-16\n"
        "E-4,,,51234,S5,S-7777,student,,2026-08-17,2027-01-16\n"
        "E-5,,,51234,S5,,student,,2026-08-17,2027-01-16\n"
        "E-6,,,51234,S5,S-9002,student,,17/08/2026,2027-01-16\n"
        "E-7,,,51234,S5,S-9002,student,true,2026-08-17\n"
        "E-8,,,51234,S5,S-9002,student,,2026-08-17,2027-01-16\n"
        "E-8,,,51234,S5,S-9002,student,,2026-08-17,2027-01-16\n"
        "E-9,,,51234,S5,S-9001,student,,2026-08-17,2027-01-16\n"
        "E-9,,,51234,S5,S-9002,student,,2026-08-17,2027-01-16\n"
        "E:10,,,51234,S5,T-77,proctor,,2026-12-01,2026-11-01\n"
    )

    pulled = pull_set(enrollments(rows), tmp_path)

    [finding] = pulled.findings()
    assert (finding["code"], finding["source_line"]) == ("csv.ragged", 8)
    assert finding["external_id"] == "E-7"
    lines = [row["_line"] for row in pulled.rows("enrollments")]
    assert lines == [n for n in range(2, 14) if n != 8]
    assert pulled.rows("enrollments")[4]["userSourcedId"] is None


@pytest.mark.parametrize("rejected", [19, 20])
def test_too_many_broken_rows_refuse_the_set(rejected: int, tmp_path: Path) -> None:
    rows = GOOD * 100 + "E-2,x\n" * rejected
    if rejected < 20:
        assert pull_set(enrollments(rows), tmp_path).codes() == ["csv.ragged reject"]
    else:
        text = refusal(enrollments(rows), tmp_path)
        assert "bundle.too_many_rejects  20 of 120 rows" in text


def test_findings_are_capped_and_rejected_rows_are_not(tmp_path: Path) -> None:
    rows = GOOD * 30_000 + "\n" * 1200 + "E-2,x\n" * 1200

    pulled = pull_set(enrollments(rows), tmp_path)

    assert len(pulled.found("csv.ragged")) == 1200
    blank = pulled.found("csv.blank_line")
    assert len(blank) == 1001
    assert sum(finding["count"] for finding in blank) == 1200


NAME = "Zoë Müller"
ENCODED = {
    "UTF-8": ("utf-8", []),
    "UTF-8 with mark": ("utf-8-sig", []),
    "UTF-16": ("utf-16", ["csv.encoding warn"]),
    "Windows-1252": ("cp1252", ["csv.encoding warn"]),
}


@pytest.mark.parametrize("name", ENCODED)
def test_text_is_right_in_every_encoding(name: str, tmp_path: Path) -> None:
    encoding, codes = ENCODED[name]
    text = ORGS + f"D100,,,{NAME},district,100,\n" + "S5,,,x,school,5,D100\n"

    pulled = pull_set(set_of(orgs=text.encode(encoding)), tmp_path)

    assert pulled.codes() == codes
    assert [row["name"] for row in pulled.rows("orgs")] == [NAME, "x"]
    assert [row["_line"] for row in pulled.rows("orgs")] == [2, 3]


def test_encoding_is_settled_for_the_whole_file(tmp_path: Path) -> None:
    many = "".join(f"S{n},,,Example {'x' * 100},school,,D100\n" for n in range(90_000))
    text = (ORGS + many + "S5,,,x,school,5,D100\n").encode() + "Sé,,,é,school,,".encode(
        "cp1252"
    )

    pulled = pull_set(set_of(orgs=text), tmp_path)

    rows = pulled.rows("orgs")
    assert len(rows) == 90_002
    assert rows[-1]["name"] == "é"
    assert pulled.codes() == ["csv.encoding warn"]


def test_bytes_without_a_meaning_refuse_the_set(tmp_path: Path) -> None:
    text = refusal(set_of(orgs=ORGS.encode() + b"S5,,,\x81,school,,\n"), tmp_path)

    assert "FAILED csv.undecodable" in text


def test_carriage_returns_alone_end_lines(tmp_path: Path) -> None:
    pulled = pull_set(enrollments(GOOD + LAST), tmp_path / "1")
    text = (ENROLLMENTS + GOOD + LAST).replace("\n", "\r")

    old = pull_set(set_of(enrollments=text), tmp_path / "2")

    assert old.rows("enrollments") == pulled.rows("enrollments")


def test_values_lose_outer_blanks_and_blank_ones_are_null(tmp_path: Path) -> None:
    row = "E-1,,,  51234\t,S5,\u00a0S-9001,student,  ,2026-08-17,\n"

    pulled = pull_set(enrollments(row), tmp_path)

    [found] = pulled.rows("enrollments")
    assert found["classSourcedId"] == "51234"
    assert found["userSourcedId"] == "S-9001"
    assert found["primary"] is None
    assert found["endDate"] is None
    counts = {f["field"]: f["count"] for f in pulled.found("row.whitespace")}
    assert counts == {"classSourcedId": 1, "userSourcedId": 1, "primary": 1}


def test_passwords_are_counted_and_never_stored(tmp_path: Path) -> None:
    users = BASE_1_1["users"] + "X-1,,,true,S5,student,x,,A,B,,,,,,,,canary-pass\n"

    pulled = pull_set(set_of(users=users), tmp_path)

    assert pulled.codes() == ["row.password_present info"]
    assert "password" not in pulled.rows("users")[0]
    for path in pulled.pull.folder.iterdir():
        assert b"canary-pass" not in path.read_bytes()


def test_lists_in_an_odd_form_are_counted(tmp_path: Path) -> None:
    users = (
        USERS_1_1
        + 'S-9001,,,true,"S5, D100",student,x,"{a:1},nonsense",A,B,,,,,,,,\n'
        + 'T-77,,,true,"S5,D100",teacher,x,"{a:1},{b:2}",A,B,,,,,,,,\n'
    )

    pulled = pull_set(set_of(users=users), tmp_path)

    assert pulled.codes() == ["row.bad_user_id warn", "row.list_form warn"]
    assert [f["count"] for f in pulled.findings()] == [1, 1]
