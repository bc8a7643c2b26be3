"""For any page size, any way of paging and any defect: all rows, or no pull."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines_tests.sources.oneroster_rest.pulls import (
    identifiers,
    users_only,
)
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.support.oneroster_data import person
from d118_pipelines_tests.support.oneroster_server import Quirks

links = st.sampled_from([None, "right", "skips", "sticks", "foreign", "bare"])
quirks_of_a_service = st.builds(
    Quirks,
    max_limit=st.one_of(st.none(), st.integers(1, 9)),
    total=st.sampled_from([True, None, "page", "so far", 4, 13]),
    next_link=links,
    ignores_offset=st.booleans(),
    repeats=st.one_of(st.none(), st.integers(0, 3)),
    refuses_sort=st.booleans(),
)


@pytest.mark.long
@settings(max_examples=examples(10, 30), deadline=None)
@given(
    order=st.permutations(range(12)),
    count=st.integers(1, 12),
    page_size=st.integers(1, 15),
    quirks=quirks_of_a_service,
)
def test_all_rows_arrive_or_the_pull_fails(
    order: list[int], count: int, page_size: int, quirks: Quirks
) -> None:
    people = [person(number) for number in order[:count]]
    with tempfile.TemporaryDirectory() as folder:
        case_of = users_only(people, quirks, Path(folder), page_size=page_size)
        with case_of as case:
            try:
                pull = case.pull()
            except IncompleteExtractError:
                assert not case.is_anything_stored()
                return
            got = identifiers(pull)
            proof = pull.collections["users"].absence
    if quirks.total == "page" and proof == "never":
        return  # the first page came again, and nobody counts as gone for it
    assert set(got) == {row["sourcedId"] for row in people}


@settings(max_examples=examples(8, 30), deadline=None)
@given(
    count=st.integers(1, 12),
    page_size=st.integers(1, 15),
    clamp=st.integers(1, 9),
    link=st.sampled_from([None, "right", "skips", "foreign", "bare"]),
    has_total=st.booleans(),
)
def test_a_service_that_only_lowers_limits_is_read_to_its_end(
    count: int, page_size: int, clamp: int, link: str, has_total: bool
) -> None:
    people = [person(number) for number in range(count)]
    quirks = Quirks(
        max_limit=clamp,
        next_link=link,  # type: ignore[arg-type]
        total=True if has_total else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        case_of = users_only(people, quirks, Path(folder), page_size=page_size)
        with case_of as case:
            pull = case.pull()
            assert identifiers(pull) == [row["sourcedId"] for row in people]
            expected = "proven" if has_total else "ended"
            assert pull.collections["users"].absence == expected
