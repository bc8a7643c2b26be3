"""Text of a source reaches no terminal, log, page or report raw."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import pytest
import sqlalchemy as sa

from d118_pipelines.assets.plan_page import _by_school
from d118_pipelines.cli.output import show_lines, show_table
from d118_pipelines.cli.plans import show_broken
from d118_pipelines.errors import FatalError
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.loggers import console_logger
from d118_pipelines.state import database as db
from d118_pipelines.targets.disclosures import as_markdown, disclosures_of
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.targets.examples import target
from d118_pipelines_tests.targets.test_disclosures import FACTS, sent

HOSTILE = "4000\x1b]0;owned\x07\x9b2J\u202e"
ESCAPED = r"4000\u001b]0;owned\u0007\u009b2J\u202e"
IMAGE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def hostile(project: ProjectFolder) -> ProjectFolder:
    """A project whose findings have a key that a terminal would obey."""
    project.change_state(sa.update(db.findings).values(key=HOSTILE))
    return project


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_an_escape_sequence_in_a_source_id_reaches_no_terminal(
    hostile: ProjectFolder, form: list[str]
) -> None:
    answer = hostile.d118("findings", "hr_records", *form, COLUMNS="200")

    assert answer.code == 0
    assert ESCAPED in answer.out
    assert set("\x1b\x07\x9b\u202e").isdisjoint(answer.out)


def test_json_and_csv_for_programs_keep_the_key(hostile: ProjectFolder) -> None:
    as_json = hostile.d118("findings", "hr_records", "--json")
    as_csv = hostile.d118("findings", "hr_records", "--csv")

    assert {row["key"] for row in json.loads(as_json.out)} == {HOSTILE}
    rows = csv.DictReader(io.StringIO(as_csv.out))
    assert {row["key"] for row in rows} == {ESCAPED}


def test_a_workbook_takes_a_control_character(hostile: ProjectFolder) -> None:
    path = hostile.root / "findings.xlsx"

    assert hostile.d118("findings", "hr_records", "--xlsx", str(path)).code == 0


def test_the_name_of_a_school_is_no_html_in_by_school() -> None:
    page = _by_school({IMAGE: {"staff": 3}, "a|b": {"staff": 1}})

    assert IMAGE not in page
    assert r"&lt;img src=x onerror=alert(1)&gt;" in page
    assert r"a\|b" in page


def test_the_kinds_of_people_are_no_html_in_the_posted_register() -> None:
    facts = {"staff_data": {**FACTS["staff_data"], "people": {IMAGE: 3}}}
    delivery = sent("sftp-1", 0)
    found = disclosures_of(
        target("hr_records"),
        [replace(delivery, facts=facts)],
    )

    page = as_markdown(found, district="D", day=delivery.finished_at.date())

    assert "&lt;img" in page
    assert IMAGE not in page


def test_a_line_break_makes_no_line_of_its_own_in_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = console_logger.logger_fn(dg.build_init_logger_context())  # type: ignore[arg-type]
    log.log(logging.INFO, "key 1\n04:30:00  run  done\x1b[2J\rdone")

    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("key 1")
    assert second == r"  04:30:00  run  done\u001b[2J\u000ddone"


def test_a_step_that_is_not_run_names_what_it_waits_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = console_logger.logger_fn(dg.build_init_logger_context())  # type: ignore[arg-type]
    steps = "['exports__smartfind', 'exports__smartfind']"
    log.error(
        f"Dependencies for step deliveries__smartfind failed: {steps}. Not executing."
    )

    said = "not run, because exports/smartfind was held, failed or not run"
    assert capsys.readouterr().err.rstrip().endswith(said)


def test_every_line_of_a_broken_rule_is_moved_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_broken([GuardRule("guard.drop_within_limit", "held", False, "4 of 9\n2 of 3")])

    out = capsys.readouterr().out
    assert out == "HELD guard.drop_within_limit\n  4 of 9\n  2 of 3\n"


def test_a_line_break_adds_no_part_to_an_error() -> None:
    error = FatalError("What.", where="key 1\n  Next: d118 approve", next_step="Go on.")

    assert str(error).splitlines() == [
        "What.",
        "  Where: key 1   Next: d118 approve",
        "  Next: Go on.",
    ]


@pytest.mark.parametrize("show", [show_lines, show_table])
def test_a_piped_table_is_as_wide_as_columns_says_and_cuts_nothing(
    show: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = {
        "code": "powerschool_staff.access_id_is_not_unique",
        "what": "undo powerschool",
        "file": "E1PlusEmployeeWorkSchedule.csv",
        "reason": "a long reason " * 9,
    }
    monkeypatch.setenv("COLUMNS", "60")

    show("Title", [row])

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 60
    assert _letters(out) == _letters("Title", *row, *row.values())


def _letters(*texts: str) -> Counter[str]:
    return Counter(re.findall(r"\w", "".join(texts)))


def test_a_table_of_many_columns_has_the_rest_in_the_last(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    show_table("Runs", [{f"name{n}": f"value{n}" for n in range(13)}])

    out = capsys.readouterr().out
    assert "value0  value1  name2: value2; " in out
    assert "name12: value12" in " ".join(out.split())


def test_the_last_column_of_a_narrow_table_has_36_characters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    first = {"run": "4ac85c07", "what": "undo powerschool", "started": "30 Nov 13:24"}

    show_lines("Runs", [{**first, "outcome": "delivered", "reason": "x" * 36}])

    assert "x" * 36 in capsys.readouterr().out
