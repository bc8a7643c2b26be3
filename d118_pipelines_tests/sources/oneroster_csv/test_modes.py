"""What absence from a file means, and what a bulk file needs beside itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.sources.oneroster_csv.modes import Rules
from d118_pipelines_tests.sources.oneroster_csv.pulls import pull_set, refusal
from d118_pipelines_tests.support.bundles import BASE_1_1, ENROLLMENTS, set_of

DATE = "2026-10-02T14:05:00.000Z"
ACTIVE = f"E-1,active,{DATE},51234,S5,S-9001,student,,,\n"
DELETED = f"E-2,tobedeleted,{DATE},51234,S5,T-77,teacher,,,\n"
BLANK = "E-3,,,51234,S5,T-77,teacher,,,\n"
MODES = [
    ("bulk", BLANK, {}, "proven", False),
    ("bulk", ACTIVE, {}, "proven", False),
    ("bulk", ACTIVE + DELETED, {}, "proven", False),
    ("bulk", ACTIVE, {"bulk_with_status": "delta"}, "never", True),
    ("bulk", ACTIVE + BLANK, {"bulk_with_status": "delta"}, "proven", False),
    ("bulk", "", {}, "never", False),
    ("bulk", "E-1,x\n", {}, "never", False),
    ("delta", ACTIVE, {}, "never", True),
    ("delta", ACTIVE + BLANK, {}, "never", True),
    ("delta", "", {}, "never", True),
    ("absent", BLANK, {}, "never", False),
    ("", BLANK, {}, "never", False),
    ("full", BLANK, {}, "never", False),
]


@pytest.mark.parametrize(("mode", "rows", "rules", "absence", "is_delta"), MODES)
def test_absence_means_something_only_in_a_bulk_file_with_rows(
    mode: str,
    rows: str,
    rules: dict[str, str],
    absence: str,
    is_delta: bool,
    tmp_path: Path,
) -> None:
    files = set_of(enrollments=ENROLLMENTS + rows, modes={"enrollments": mode})

    pulled = pull_set(files, tmp_path, rules=Rules(**rules))  # type: ignore[arg-type]

    found = pulled.pull.collections["enrollments"]
    assert (found.absence, found.is_delta) == (absence, is_delta)


def test_delta_set_proves_no_absence_at_all(tmp_path: Path) -> None:
    files = set_of(
        {}, enrollments=ENROLLMENTS + DELETED, modes={"enrollments": "delta"}
    )

    pulled = pull_set(files, tmp_path)

    assert {c.absence for c in pulled.pull.collections.values()} == {"never"}
    assert [c for c, x in pulled.pull.collections.items() if x.is_delta] == [
        "enrollments"
    ]


def test_status_in_bulk_can_refuse_the_set(tmp_path: Path) -> None:
    files = set_of(enrollments=ENROLLMENTS + ACTIVE)

    text = refusal(files, tmp_path, rules=Rules(bulk_with_status="reject"))

    assert "row.status_in_bulk" in text


@pytest.mark.parametrize(("mode", "count"), [("bulk", 1), ("delta", 0)])
def test_classes_without_terms_are_kept_with_a_warning(
    mode: str, count: int, tmp_path: Path
) -> None:
    classes = BASE_1_1["classes"]
    row = classes.splitlines()[1].replace("51234", "51235").replace("D100-3601", "")
    row = row.replace(",,,", f",active,{DATE},", 1) if mode == "delta" else row

    pulled = pull_set(
        set_of(classes=f"{classes}{row}\n", modes={"classes": mode}), tmp_path
    )

    found = [(f["field"], f["count"]) for f in pulled.found("row.missing_required")]
    assert found == [("termSourcedIds", 1)] * count
    keys = [row["sourcedId"] for row in pulled.rows("classes")]
    assert keys == ["51234", "51235"]
