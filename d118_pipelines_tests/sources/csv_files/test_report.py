"""The list of rejected rows for a person, and how many findings are kept."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from d118_pipelines.kernel.csv_text import csv_text
from d118_pipelines_tests.sources.csv_files.folders import pulled, staged, user, users

SCHOOLS = "id,name\nS,Oak\n"


def test_report_lists_every_reject_without_values(tmp_path: Path) -> None:
    rows = [user("1", first_name="Secretperson" * 5), "2,Otherperson", user("3")]
    result = staged(tmp_path, {"schools.csv": SCHOOLS, "users.csv": users(*rows)})

    rejects = [f for f in result.findings if f["severity"] == "reject"]
    columns = ("source_file", "source_line", "field", "code")
    text = csv_text([{name: f[name] for name in columns} for f in rejects])

    assert sorted(csv.reader(io.StringIO(text))) == [
        list(columns),
        ["users.csv/users", "2", "first_name", "row.too_long"],
        ["users.csv/users", "3", "", "csv.ragged_row"],
    ]
    assert "person" not in str(result.findings)


def test_rejects_are_never_capped_and_warnings_are_counted(tmp_path: Path) -> None:
    bad = [user(str(n), birth_date="none") for n in range(1_500)]
    short = [f"{n},Ada" for n in range(2_000, 3_200)]

    result = pulled(tmp_path, {"users.csv": users(*bad, *short)})

    codes = [f["code"] for f in result.findings]
    assert codes.count("csv.ragged_row") == 1_200
    assert codes.count("csv.bad_date") == 1_001
    [rest] = [f for f in result.findings if f["count"] == 500]
    assert (rest["code"], rest["source_line"]) == ("csv.bad_date", None)


def test_rows_that_staging_rejects_are_all_listed(tmp_path: Path) -> None:
    bad = [user(str(n), status="gone") for n in range(1_200)]

    text = users(*bad, user("good"))
    result = staged(tmp_path, {"schools.csv": SCHOOLS, "users.csv": text})

    assert len(result.rejected()) == 1_200
    assert {line for *_, line in result.rejected()} == set(range(2, 1_202))
