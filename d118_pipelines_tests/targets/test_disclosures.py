"""The disclosure register says what was really delivered, to whom, and why."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.state import database as db
from d118_pipelines.targets.disclosures import (
    Disclosure,
    Sent,
    as_html,
    as_markdown,
    as_rows,
    disclosures_of,
    in_words,
)
from d118_pipelines.targets.model import Disclosure as Reason
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.targets.examples import target

DAY = dt.datetime(2026, 9, 1, 5, tzinfo=dt.UTC)
FACTS = {
    "staff_data": {
        "filled": {"Work Email": 3, "First Name": 3, "Home Phone": 0},
        "people": {"staff": 3},
    }
}


def sent(destination: str, days: int, table: str = "staff_data") -> Sent:
    files = [{"name": "x.txt", "table": table}]
    return Sent(destination, DAY + dt.timedelta(days=days), files, FACTS)


def test_elements_are_the_columns_that_held_a_value() -> None:
    [row] = disclosures_of(target("hr_records"), [sent("sftp-1", 0)])

    assert row.elements == {"Work Email": "e-mail address", "First Name": "first name"}
    assert (row.entity, row.people) == ("StaffData.txt", {"staff": 3})
    assert (row.recipient, row.is_trial) == ("HR Records", False)


def test_constants_and_commands_of_a_format_are_no_data_elements() -> None:
    filled = ["record_type", "record_command", "constant_4", "access", "sso_identifier"]
    facts = {"w2_sso": {"filled": dict.fromkeys(filled, 3)}}
    one = Sent("sftp-1", DAY, [{"name": "W2SSO.csv", "table": "w2_sso"}], facts)

    [row] = disclosures_of(target("smartfind"), [one])

    assert list(row.elements.values()) == [
        "access id (employee number)",
        "e-mail address for single sign-on",
    ]


def test_a_file_that_was_never_sent_has_no_row() -> None:
    assert disclosures_of(target("hr_records"), []) == []
    rows = disclosures_of(target("hr_records"), [sent("sftp-1", 0, "job_types")])
    assert [row.entity for row in rows] == ["Job Types.txt"]


def test_trials_count_only_while_nothing_went_elsewhere() -> None:
    trials = [sent("outbox", 0), sent("outbox", 1)]
    [row] = disclosures_of(target("hr_records"), trials)
    assert (row.is_trial, row.deliveries) == (True, 2)

    [row] = disclosures_of(target("hr_records"), [*trials, sent("sftp-1", 2)])
    assert (row.is_trial, row.deliveries) == (False, 1)
    assert row.first_delivery == DAY + dt.timedelta(days=2)


def test_members_of_an_archive_are_files_that_were_sent() -> None:
    members = [{"name": "StaffData.txt", "table": "staff_data"}]
    whole = Sent("sftp-1", DAY, [{"name": "set.zip", "members": members}], FACTS)

    [row] = disclosures_of(target("hr_records"), [whole])

    assert row.entity == "StaffData.txt"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("familyName", "family name"),
        ("FAMILY_NAME", "family name"),
        ("Work Email", "work email"),
        ("name.givenName", "name given name"),
    ],
)
def test_headers_become_words(header: str, words: str) -> None:
    assert in_words(header) == words


def disclosure(**values: object) -> Disclosure:
    [row] = disclosures_of(target("hr_records"), [sent("sftp-1", 0)])
    return Disclosure(
        **{n: values.get(n, getattr(row, n)) for n in Disclosure.__slots__}
    )


def test_pupils_without_an_agreement_are_noticed() -> None:
    assert disclosure(people={"student": 5}).lacks_agreement
    agreed = Reason(recipient="HR Records", purpose="service", agreement="A-1")
    assert not disclosure(people={"student": 5}, why=agreed).lacks_agreement
    assert not disclosure(people={"staff": 5}).lacks_agreement


@pytest.mark.parametrize(
    ("kind", "is_trial", "must"),
    [("student", False, True), ("student", True, False), ("staff", False, False)],
)
def test_what_must_be_posted_is_pupils_data_that_left_the_house(
    kind: str, is_trial: bool, must: bool
) -> None:
    row = disclosure(people={kind: 5}, is_trial=is_trial)

    assert row.must_be_posted is must


def test_forms_cannot_be_broken_by_what_a_district_writes() -> None:
    odd = disclosure(why=Reason(recipient="=A|B <b>", purpose="so | so"))

    page = as_markdown([odd], district="D", day=DAY.date())
    web = as_html([odd], district="D", day=DAY.date())

    assert "## =A|B <b>" in page
    assert "&lt;b&gt;" in web and "<b>" not in web
    assert as_rows([odd])[0]["agreement"] == "none stated"


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectFolder]:
    """A project whose staff went to the outbox."""
    people = [Person(4001), Person(4002)]
    folder = ProjectFolder(tmp_path_factory.mktemp("register") / "project", people)
    folder.deliver("hr_records")
    yield folder


@pytest.mark.long
def test_every_column_with_values_of_every_written_file_is_in_the_register(
    delivered: ProjectFolder,
) -> None:
    found = delivered.d118("ledger", "disclosures", "--json").json()

    columns = {row["entity"]: set(row["elements"]) for row in found}
    files = delivered.target("hr_records").model.files
    assert set(columns) == {file.file for file in files}
    for file in files:
        text = delivered.outbox("hr_records")[file.file].decode()
        layout = delivered.target("hr_records").model.format
        lines = list(csv.reader(io.StringIO(text), delimiter=layout.delimiter))
        head, rows = lines[0], lines[1:]
        held = {
            n for i, n in enumerate(head) if any(row[i : i + 1] > [""] for row in rows)
        }
        assert columns[file.file] == held - {""}


@pytest.mark.long
def test_the_command_speaks_every_form(delivered: ProjectFolder) -> None:
    table = delivered.d118("ledger", "disclosures")
    page = delivered.d118("ledger", "disclosures", "--markdown")
    web = delivered.d118("ledger", "disclosures", "--html")
    rows = list(
        csv.DictReader(
            io.StringIO(delivered.d118("ledger", "disclosures", "--csv").out)
        )
    )

    assert (table.code, page.code, web.code) == (0, 0, 0)
    assert "Never posted." in table.out
    assert "## HR Records (trial: outbox, nobody received it)" in page.out
    assert web.out.startswith("<!doctype html>")
    assert [row["people"] for row in rows] == ["2", "2"]


def test_a_posting_is_remembered_with_its_account(
    delivered: ProjectFolder, tmp_path: Path
) -> None:
    folder = delivered.copied(tmp_path / "posted")

    answer = folder.d118("ledger", "disclosures", "--posted")

    assert "Last posted:" in answer.out
    [entry] = [row for row in folder.rows(db.audit_log) if row.object == "disclosures"]
    assert entry.action == "disclosures posted" and entry.actor


def test_no_person_is_in_the_register(delivered: ProjectFolder) -> None:
    text = delivered.d118("ledger", "disclosures", "--json").out
    data = delivered.outbox("hr_records")["StaffData.txt"].decode()
    emails = [cell for cell in data.replace("\n", "\t").split("\t") if "@" in cell]

    assert emails
    assert not any(email in text for email in emails)
    assert json.loads(text)
