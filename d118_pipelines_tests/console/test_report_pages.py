"""Pages of findings, deliveries and the register: the same as the commands say."""

from __future__ import annotations

import csv
import io

import pytest

from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import database as db
from d118_pipelines.state.plans import StoredPlan, store_plan
from d118_pipelines_tests.support.console import ADMIN, VIEWER, RunningConsole

NAME = "hr_records"
SHA = "ab" * 32
HTML = "<b>bold</b>"


@pytest.fixture(scope="module")
def sent(console: RunningConsole) -> RunningConsole:
    """A console whose target has delivered a file, with two findings."""
    now = utc_now()
    file = {"name": "StaffData.txt", "rows": 3, "size_bytes": 90, "sha256": SHA}
    facts = {"staff_data": {"filled": {"EMAIL_ADDR": 3}, "people": {"staff": 3}}}
    plan = StoredPlan(
        *("p" * 32, NAME, "outbox", "f" * 64, None, "run-1", "ready", [], {}, []),
        *("exports/none", True, now, now),
    )
    found = {"run_id": "run-1", "target": NAME, "level": "error", "detail": HTML}
    texts = {"field": "EMAIL_ADDR", "todo": "Enter it."}
    delivery = {
        **{"id": "d" * 32, "target": NAME, "destination": "sftp.example"},
        **{"run_id": "run-1", "plan_hash": "f" * 64, "status": "verified"},
        **{"started_at": now, "finished_at": now, "folder": "exports/none"},
        **{
            "files": [{**file, "table": "staff_data"}],
            "counts": {"facts": facts},
            "read_back": [],
        },
    }
    with console.world.database.transaction() as connection:
        store_plan(connection, plan)
        for code, key in (("blank_email", "101"), ("left_file", "=1+1")):
            row = {**found, **texts, "code": code, "key": key}
            connection.execute(db.findings.insert().values(row))
        connection.execute(db.deliveries.insert().values(delivery))
    return console


def test_findings_are_grouped_by_who_can_correct_them(sent: RunningConsole) -> None:
    text = sent.person(VIEWER).get("/findings").text

    first, second = text.split("<caption>For HR Records administrator")
    assert "blank_email" in first and "whoever enters the records" in first
    assert "left_file" in second and 'href="/findings/hr_records"' in second


def test_records_are_shown_by_their_keys_and_kept_as_a_file(
    sent: RunningConsole,
) -> None:
    viewer = sent.person(VIEWER)

    page = viewer.get(f"/findings/{NAME}").text
    file = viewer.get(f"/findings/{NAME}/csv")

    assert "101" in page and "&lt;b&gt;" in page and "<b>" not in page
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [row["key"] for row in rows] == ["101", "'=1+1"]
    assert "attachment" in file.headers["content-disposition"]
    assert sent.audited()[-1] == (f"console/{VIEWER}", "exported", NAME)


def test_what_has_no_findings_yet_says_what_to_do(sent: RunningConsole) -> None:
    answer = sent.person(VIEWER).get("/findings/smartfind")

    assert answer.status_code == 422
    assert "d118 run smartfind" in answer.text


def test_deliveries_have_the_hashes_of_their_files(sent: RunningConsole) -> None:
    viewer = sent.person(VIEWER)

    assert SHA in viewer.get("/deliveries").text
    assert SHA in viewer.get(f"/deliveries?target={NAME}").text
    assert SHA not in viewer.get("/deliveries?target=smartfind").text
    assert viewer.get("/deliveries?target=nobody").status_code == 404


def test_the_register_is_for_administrators_and_what_is_taken_is_told(
    sent: RunningConsole,
) -> None:
    admin = sent.person(ADMIN)

    page = admin.get("/register").text
    files = [admin.get(f"/register/{form}") for form in ("csv", "html", "json")]
    told = sent.audited()[-3:]
    assert admin.submit("/register/posted").status_code == 303

    assert "Never posted" in page and "StaffData.txt" in page
    assert all("StaffData.txt" in file.text for file in files)
    assert told == [(f"console/{ADMIN}", "exported", "register")] * 3
    assert f"Last posted: {utc_now():%Y}" in admin.get("/register").text
    assert admin.get("/register/xml").status_code == 422


def test_looking_at_the_values_of_a_plan_is_in_the_audit(sent: RunningConsole) -> None:
    viewer, admin = sent.person(VIEWER), sent.person(ADMIN)
    path = f"/feeds/{NAME}/values"

    assert viewer.submit(path, plan_hash="f" * 64).status_code == 403
    assert admin.submit(path, plan_hash="f" * 64).status_code == 200

    assert sent.audited()[-1] == (f"console/{ADMIN}", "exported", NAME)
