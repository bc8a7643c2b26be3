"""`$school_year_begin`, `$term_end` and the like: which year and term, and in a target."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from d118_pipelines.config.district import District
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.targets.build import Inputs
from d118_pipelines.targets.school_days import Span, days_of, spans_of
from d118_pipelines.workflows.targets.export_inputs import given_spans, roster_relations
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.sync import Sync
from d118_pipelines_tests.targets.badges import FILES, SQL, YAML

YEAR = (dt.date(2026, 8, 17), dt.date(2027, 5, 28))
NEXT = (dt.date(2027, 8, 16), dt.date(2028, 5, 26))
SUMMER = (dt.date(2026, 6, 1), dt.date(2027, 6, 30))


@pytest.mark.parametrize(
    ("spans", "day", "chosen"),
    [
        ([YEAR, NEXT], dt.date(2026, 8, 17), YEAR),
        ([YEAR, NEXT], dt.date(2027, 5, 28), YEAR),
        ([YEAR, NEXT], dt.date(2027, 5, 29), NEXT),
        ([YEAR, NEXT], dt.date(2028, 6, 1), NEXT),
        ([SUMMER, YEAR], dt.date(2026, 9, 1), YEAR),
        ([SUMMER, SUMMER, YEAR], dt.date(2026, 9, 1), SUMMER),
    ],
)
def test_the_year_is_the_one_of_the_day_else_the_next_else_the_last(
    spans: Sequence[Span], day: dt.date, chosen: Span
) -> None:
    assert days_of("school_year", spans, day) == {
        "school_year_begin": chosen[0],
        "school_year_end": chosen[1],
    }


def test_without_any_year_it_is_said_where_to_enter_one() -> None:
    with pytest.raises(ConfigurationError, match="has a school year") as told:
        days_of("school_year", [], YEAR[0])

    assert "school_years: [{from: " in str(told.value)


ROWS = """\
('schoolYear', 2027, DATE '2026-08-17', DATE '2027-05-29'),
('semester', 2027, DATE '2026-08-17', DATE '2026-12-19'),
('gradingPeriod', 2027, DATE '2026-08-17', DATE '2026-10-10')"""


@pytest.mark.parametrize(
    ("left", "years", "terms"),
    [
        ("", [YEAR], [(YEAR[0], dt.date(2026, 12, 18))]),
        ("schoolYear", [(YEAR[0], dt.date(2026, 12, 18))], None),
        ("semester", [YEAR], [(YEAR[0], dt.date(2026, 10, 9))]),
    ],
)
def test_the_roster_has_years_and_terms_to_their_last_day(
    left: str, years: list[Span], terms: list[Span] | None
) -> None:
    relation = (
        f"(SELECT * FROM (VALUES {ROWS}) AS t (type, school_year, start_date, end_date) "
        f"WHERE type <> '{left}')"
    )
    with closing(open_frames()) as duck:
        assert spans_of(duck, "school_year", relation) == years
        if terms is not None:
            assert spans_of(duck, "term", relation) == terms


DISTRICT = {"id": "d", "name": "D", "time_zone": "America/Chicago"}
WITH_DAYS = {
    **FILES,
    "mappings/targets/badges.yaml": YAML.replace(
        "- homeschoolid", "- Until: \"strftime($term_end, '%m/%d/%Y')\""
    ),
    "sql/exports/badges/people.sql": SQL.replace(
        "homeschoolid,", "homeschoolid, $school_year_begin AS since,"
    ),
}


def test_a_target_uses_the_days_of_the_district(tmp_path: Path) -> None:
    sync = Sync(tmp_path, "badges", [Person(4001)], files=WITH_DAYS)
    settings = sync.project.root / "config/district.yaml"
    text = settings.read_text("utf-8")
    settings.write_text(
        f"{text}\nschool_years: [{{from: 2026-08-17, to: 2027-05-28}}]\n"
        "terms: [{from: 2026-08-17, to: 2026-12-18}]\n",
        "utf-8",
    )

    sync.run()

    assert sync.lines("badges.csv")[1:] == ['4001,"Ruiz, Ana",12/18/2026']
    assert sync.target.days_used == ["school_year", "term"]


def test_only_what_the_district_does_not_say_is_read_from_the_roster(
    tmp_path: Path,
) -> None:
    target = Sync(tmp_path, "badges", files=WITH_DAYS).target
    year = {"from": YEAR[0], "to": YEAR[1]}
    told = District.model_validate(
        {**DISTRICT, "school_years": [year], "terms": [year]}
    )

    assert roster_relations(target, District.model_validate(DISTRICT)) == ["terms"]
    assert roster_relations(target, told) == []
    assert given_spans(told, "term") == [YEAR]
    assert Inputs({}).days == {}
