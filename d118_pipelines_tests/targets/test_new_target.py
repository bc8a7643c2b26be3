"""A target that the project does not have: one YAML file and one SQL file, no Python."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import ConfigurationError, ExportError, HeldError
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.sync import Sync
from d118_pipelines_tests.targets.badges import FILES

PEOPLE = [
    Person(4001),
    Person(4002, 'Bo "B"', "Lind\tLund", teachernumber="0,5"),
    Person(4003, teachernumber=None),
    Person(4004, "Zoë", "  Núñez ", teachernumber="7"),
    Person(10001, None, None, homeschoolid=None),
]


def badges(folder: Path, **changes: Any) -> Sync:
    return Sync(folder, "badges", PEOPLE, changes=changes, files=FILES)


def test_quoting_minimal_quotes_only_what_needs_it(tmp_path: Path) -> None:
    sync = badges(tmp_path)

    sync.run()

    assert sync.files() == {
        "badges.csv": (
            'Badge,"Full ""Name""",homeschoolid\n'
            "10001,,\n"
            '7,"  Núñez , Zoë",5\n'
            '"0,5","Lind Lund, Bo ""B""",5\n'
            '4001,"Ruiz, Ana",5\n'
        ).encode()
    }
    assert sync.codes() == {("no_number", "4003"), ("control_characters", "4002")}


def test_quoting_all_quotes_every_value_and_the_header(tmp_path: Path) -> None:
    sync = badges(
        tmp_path,
        format={"quoting": "all", "delimiter": ";", "newline": "crlf"},
    )

    sync.run()

    assert sync.files() == {
        "badges.csv": (
            '"Badge";"Full ""Name""";"homeschoolid"\r\n'
            '"10001";"";""\r\n'
            '"7";"  Núñez , Zoë";"5"\r\n'
            '"0,5";"Lind Lund, Bo ""B""";"5"\r\n'
            '"4001";"Ruiz, Ana";"5"\r\n'
        ).encode()
    }


@pytest.mark.long
@pytest.mark.parametrize("quoting", ["minimal", "all"])
def test_reader_of_csv_files_gets_every_value_back(
    tmp_path: Path, quoting: str
) -> None:
    sync = badges(tmp_path, format={"quoting": quoting, "trailing_delimiter": True})

    sync.run()

    text = sync.files()["badges.csv"].decode("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [
        ["Badge", 'Full "Name"', "homeschoolid", ""],
        ["10001", "", "", ""],
        ["7", "  Núñez , Zoë", "5", ""],
        ["0,5", 'Lind Lund, Bo "B"', "5", ""],
        ["4001", "Ruiz, Ana", "5", ""],
    ]


def test_file_without_header_begins_with_the_first_record(tmp_path: Path) -> None:
    sync = badges(tmp_path, format={"header": False})

    sync.run()

    assert sync.files()["badges.csv"].startswith(b"10001,,\n7,")


@pytest.mark.long
def test_new_target_has_ledger_and_guard_of_its_own(tmp_path: Path) -> None:
    sync = badges(tmp_path)
    sync.run()
    sync.next_day()

    with pytest.raises(HeldError, match=r"guard\.drop_within_limit  badges: 1 rec"):
        sync.run(PEOPLE[:1])

    assert {(r["target"], r["record_type"]) for r in sync.ledger()} == {
        ("badges", "badge")
    }
    made = sync.export_again()
    assert made.export.plan.counts["badges"].removed == 3


def test_sql_that_duckdb_refuses_is_a_configuration_error(tmp_path: Path) -> None:
    sync = badges(tmp_path)
    path = sync.project.root / "sql/exports/badges/people.sql"
    path.write_text(path.read_text().replace("teachernumber", "teachernr"))

    with pytest.raises(
        ConfigurationError, match=r"sql/exports/badges/people\.sql"
    ) as e:
        sync.run()

    assert "teachernr" in str(e.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"rules.1.when": "$forms = 'x'"},
            r"badges\.yaml, rule no_number uses \$forms",
        ),
        ({"rules.1.when": "no_such_column"}, r"badges\.yaml, rule no_number cannot be"),
        ({"files.0.key": "nothing"}, r"badges\.yaml, file badges cannot be run"),
        ({"population.key": "nothing"}, r"badges\.yaml, population\.key cannot be run"),
    ],
)
def test_expression_that_cannot_be_run_names_its_place(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    sync = badges(tmp_path, **changes)

    with pytest.raises(ConfigurationError, match=said):
        sync.run()


@pytest.mark.parametrize(
    ("key", "shown"), [("homeschoolid", "5, none"), ("first_name[1]", "A, none")]
)
def test_key_that_is_missing_or_not_unique_fails_the_set(
    tmp_path: Path, key: str, shown: str
) -> None:
    people = [*PEOPLE, replace(PEOPLE[0], dcid=5)]
    sync = Sync(tmp_path, "badges", people, files=FILES)
    path = sync.project.root / "sql/exports/badges/people.sql"
    path.write_text(path.read_text().replace("SELECT", f"SELECT {key} AS k,", 1))
    sync.change({"files.0.key": "k"})

    with pytest.raises(ExportError, match=rf"guard\.keys_unique.* Keys: {shown}\."):
        sync.run()

    assert sync.files() == {}


def test_finding_with_a_code_that_is_not_declared_is_an_error(tmp_path: Path) -> None:
    sync = badges(tmp_path, findings=["badges/odd.sql"])
    path = sync.project.root / "sql/exports/badges/odd.sql"
    path.write_text("SELECT 'odd' AS code, 1 AS key, '' AS detail")

    with pytest.raises(ConfigurationError, match="code odd, which the key codes"):
        sync.run()
