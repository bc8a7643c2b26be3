"""The list of rejected rows, and how many findings are kept."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from d118_pipelines.sources.csv_files.report import rejects_report
from d118_pipelines.sources.pull import Finding
from d118_pipelines_tests.sources.csv_files.folders import pulled, user, users


def test_report_lists_every_reject_without_values(tmp_path: Path) -> None:
    rows = [user("1", first_name="Secretperson" * 5), "2,Otherperson", user("3")]
    result = pulled(tmp_path, {"users.csv": users(*rows)})

    text = rejects_report(Finding(**f) for f in result.findings)

    assert list(csv.reader(io.StringIO(text))) == [
        ["file", "line", "column", "rule"],
        ["users.csv", "2", "first_name", "csv.too_long"],
        ["users.csv", "3", "", "csv.ragged_row"],
    ]
    assert "person" not in str(result.findings)


@pytest.mark.parametrize("start", list("=+-@\t\r"))
def test_report_is_safe_to_open_in_a_spreadsheet(start: str) -> None:
    finding = Finding("csv.ragged_row", "reject", f"{start}cmd.csv/users", 2)

    [_, row] = csv.reader(io.StringIO(rejects_report([finding]), newline=""))

    assert row[0] == f"'{start}cmd.csv"


def test_rejects_are_never_capped_and_warnings_are_counted(tmp_path: Path) -> None:
    bad = [user(str(n), email="none") for n in range(1_500)]
    short = [f"{n},Ada" for n in range(2_000, 3_200)]

    result = pulled(tmp_path, {"users.csv": users(*bad, *short)})

    codes = [f["code"] for f in result.findings]
    assert codes.count("csv.ragged_row") == 1_200
    assert codes.count("csv.bad_email") == 1_001
    [rest] = [f for f in result.findings if f["count"] == 500]
    assert (rest["code"], rest["line"]) == ("csv.bad_email", None)
