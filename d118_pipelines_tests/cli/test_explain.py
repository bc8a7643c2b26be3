"""`d118 explain`: one person, by any id, through extract, rule, line and ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.model.tables import ENTITY_TABLES, external_ids
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines.workflows.people.people import PeopleTable, find_people
from d118_pipelines_tests.conftest import LEFT, NO_PERSON, STAFF
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder

CANARY = "Zzyzxcanary"
DISTRICT = "district"


def test_explain_follows_an_exported_person(delivered: ProjectFolder) -> None:
    answer = delivered.d118("explain", "smartfind", "4003", "--json").json()

    assert answer["outcome"] == {"code": "exported", "text": "4003 is exported."}
    assert [(line["file"], line["command"]) for line in answer["lines"]] == [
        ("P1ProfileBasic.csv", "A"),
        ("W2SSO.csv", "A"),
        ("E1PlusEmployeeWorkSchedule.csv", "A"),
    ]
    assert {line["line"] for line in answer["lines"]} == {4}
    assert [sent["record"] for sent in answer["sent"]] == [
        "E 4003/1",
        "P 4003",
        "W 4003",
    ]
    assert {sent["sent as"] for sent in answer["sent"]} == {"4003", "4003/1"}
    assert [e["extract"] for e in answer["extracts"]] == [
        "raw/powerschool/smartfind_staff",
        "raw/powerschool/staff_without_email",
    ]


def test_the_line_that_explain_names_is_the_persons(delivered: ProjectFolder) -> None:
    lines = delivered.d118("explain", "hr_records", "4003", "--json").json()["lines"]

    for line in lines:
        sent = delivered.outbox("hr_records")[line["file"]].decode().split("\n")
        assert "4003" in sent[line["line"] - 1]
    assert len(lines) == 2


def test_explain_names_the_rule_that_stopped_a_person(delivered: ProjectFolder) -> None:
    answer = delivered.d118("explain", "hr_records", str(NO_PERSON))

    assert answer.code == 0
    assert f"{NO_PERSON} is skipped by the rule bad_name." in answer.out
    assert "add the DCID to bad_name_allow" in answer.out
    assert "In no file." in answer.out


def test_explain_says_that_nobody_has_a_key(delivered: ProjectFolder) -> None:
    answer = delivered.d118("explain", "hr_records", "999999")

    assert answer.code == 1
    assert "No extract, roster or file that is kept has the id 999999." in answer.out
    assert "Never. Deliveries so far: 2." in answer.out


def test_explain_knows_who_left_from_the_ledger(delivered: ProjectFolder) -> None:
    told = delivered.d118("explain", "hr_records", str(LEFT), "--json")
    answer = told.json()

    assert told.code == 0
    assert answer["outcome"]["code"] == "left_file"
    assert answer["lines"] == []
    assert [sent["record"] for sent in answer["sent"]] == [
        f"job {LEFT}",
        f"staff {LEFT}",
    ]
    assert {change["change"] for change in answer["change"]} == {"remove"}
    assert [finding["code"] for finding in answer["findings"]] == ["left_file"]


@pytest.mark.long
def test_explain_shows_values_only_when_asked(project: ProjectFolder) -> None:
    project.set_people([*STAFF, Person(4300, last_name=f"{CANARY} [Ruiz]")])
    project.export("hr_records")

    silent = project.d118("explain", "hr_records", "4300")
    shown = project.d118("explain", "hr_records", "4300", "--show-values")

    assert CANARY not in silent.out
    assert f"{CANARY} [Ruiz]" in shown.out


@pytest.mark.parametrize("known_as", ["4003", "P4003@D118.example"])
def test_explain_takes_any_id_of_the_person(
    delivered: ProjectFolder, known_as: str
) -> None:
    answer = delivered.d118("explain", "smartfind", known_as, "--json").json()

    assert answer["outcome"]["code"] == "exported"
    assert {line["key"].split("/")[0] for line in answer["lines"]} == {"4003"}
    assert len(answer["sent"]) == 3


def test_explain_finds_who_left_by_e_mail_too(delivered: ProjectFolder) -> None:
    mail = f"p{LEFT}@d118.example"

    answer = delivered.d118("explain", "hr_records", mail, "--json").json()

    assert [sent["record"] for sent in answer["sent"]] == [
        f"job {LEFT}",
        f"staff {LEFT}",
    ]


def test_explain_says_what_was_sent_when_the_files_are_gone(
    project: ProjectFolder,
) -> None:
    (project.home / "exports").rename(project.home / "moved")

    answer = project.d118("explain", "hr_records", "4003")

    assert answer.code == 0
    assert "4003: the files of the newest export are gone" in answer.out
    assert "staff 4003" in answer.out


def test_explain_never_says_never_of_another_destination(
    project: ProjectFolder,
) -> None:
    project.change_state(
        db.delivery_ledger.update().values(destination="sftp://vendor.example")
    )

    sent = project.d118("explain", "hr_records", "4003", "--json").json()["sent"]

    assert {row["to"] for row in sent} == {"sftp://vendor.example"}


def test_explain_reads_deliveries_where_no_ledger_names_people(
    project: ProjectFolder,
) -> None:
    project.change_state(db.delivery_ledger.delete())

    now = project.d118("explain", "hr_records", "4003", "--json").json()["sent"]
    before = project.d118("explain", "hr_records", str(LEFT), "--json").json()["sent"]

    assert [(row["record"], row["state"]) for row in now] == [
        ("StaffData.txt 4003", "sent"),
        ("Job Types.txt 4003", "sent"),
    ]
    assert {row["state"] for row in before} == {"no longer sent"}


def test_explain_names_an_extract_with_a_person_whom_the_sql_leaves_out(
    project: ProjectFolder,
) -> None:
    path = "sql/exports/hr_records/people.sql"
    text = (project.root / path).read_text(encoding="utf-8").rstrip().rstrip(";")
    (project.root / path).write_text(
        f"SELECT * FROM (\n{text}\n) WHERE users_dcid <> 4003", encoding="utf-8"
    )
    project.export("hr_records")

    answer = project.d118(
        "explain", "hr_records", "p4003@d118.example", "--json"
    ).json()

    assert answer["outcome"]["code"] in ("not_selected", "left_file")
    assert answer["extracts"][0]["has_the_person"]
    assert answer["sent"]


@pytest.fixture
def roster(tmp_path: Path) -> Iterator[sa.Connection]:
    """A state database whose roster has the students 1 and 2."""
    database = Database(tmp_path / "state.sqlite", "")
    known = {"district_id": DISTRICT, "provider_id": "sis", "row_hash": ""}
    known |= {"created_by_run": "r", "last_changed_run": "r", "status": "active"}
    times = {"created_at": utc_now(), "updated_at": utc_now()}
    with database.transaction() as connection:
        for number, first in ((1, "Ada"), (2, "Ben")):
            user = {"id": f"uuid-{number}", "external_id": f"S3700{number}"}
            user |= {"first_name": first, "last_name": "Ruiz", "roles": "[]"}
            user |= {"student_number": f"22215{number}", "sis_id": f"3700{number + 1}"}
            table = ENTITY_TABLES["users"]
            needed = {
                c.name: ""
                for c in table.c
                if not c.nullable and c.name not in {*known, *times, *user}
            }
            connection.execute(
                table.insert().values(**needed, **known, **times, **user)
            )
        connection.execute(
            external_ids.insert().values(
                district_id=DISTRICT,
                provider_id="other",
                entity="users",
                external_id="x-1",
                internal_id="uuid-1",
                active=True,
                rule="email",
                first_seen_run="r",
            )
        )
    with database.reading() as connection:
        yield connection


@pytest.fixture
def students(tmp_path: Path) -> PeopleTable:
    """Their extract: the DCID of the second is the STUDENTS.ID of the first."""
    path = tmp_path / "students.parquet"
    duckdb.sql(
        "SELECT * FROM (VALUES (37001, 37002, 222151.0, 'Ada', 'Ruiz', 5), "
        "(37002, 37003, 222152.0, 'Ben', 'Ruiz', 5)) "
        "t(dcid, id, student_number, first_name, last_name, schoolid)"
    ).write_parquet(str(path))
    return PeopleTable("raw/sis/students", [path])


@pytest.mark.parametrize(
    "wanted", ["37001", "222151", "S37001", "uuid-1", "s37001", "x-1"]
)
def test_every_id_leads_to_all_rows_of_one_person(
    roster: sa.Connection, students: PeopleTable, wanted: str
) -> None:
    [person] = find_people([students], roster, DISTRICT, wanted)

    assert [row.label for row in person] == ["roster", "raw/sis/students"]
    assert person[1].values["dcid"] == "37001"


def test_a_number_that_two_people_have_is_of_both(
    roster: sa.Connection, students: PeopleTable
) -> None:
    people = find_people([students], roster, DISTRICT, "37002")

    keys = [
        row.values["external_id"] for p in people for row in p if row.label == "roster"
    ]
    assert sorted(keys) == ["S37001", "S37002"]


def test_the_number_of_a_school_is_nobodys_id(
    roster: sa.Connection, students: PeopleTable
) -> None:
    assert find_people([students], roster, DISTRICT, "5") == []
