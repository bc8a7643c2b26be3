"""docs/reference/roster_faults.md names every code, and only tests that exist."""

from __future__ import annotations

import re

from d118_pipelines_tests.support.project import REPOSITORY

PAGE = REPOSITORY / "docs/reference/roster_faults.md"
CODES = {"D": 16, "C": 19, "P": 6, "S": 13, "O": 1, "A": 15}


def test_every_code_has_a_row() -> None:
    rows = re.findall(r"^\| ([A-Z]\d.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    found = [code for row in rows for code in row.split(", ")]

    wanted = [f"{kind}{n}" for kind, last in CODES.items() for n in range(1, last + 1)]
    assert sorted(found) == sorted(wanted)


def test_every_test_on_the_page_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text("utf-8")))
    tests = REPOSITORY / "d118_pipelines_tests"
    there = {
        name
        for path in tests.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.M)
    }

    assert named - there == set()
