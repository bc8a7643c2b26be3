"""The files that come first are there, and keep the order that is written down."""

from __future__ import annotations

from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.scheduling import SLOWEST_FIRST, place


def test_what_comes_first_is_there() -> None:
    tests = REPOSITORY / "d118_pipelines_tests"

    assert [start for start in SLOWEST_FIRST if not any(tests.glob(f"{start}*"))] == []


def test_the_others_come_after_it() -> None:
    assert place(f"{SLOWEST_FIRST[0]}test_any.py") == 0
    assert place("no/such_file.py") == len(SLOWEST_FIRST)
