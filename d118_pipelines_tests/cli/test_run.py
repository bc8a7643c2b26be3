"""`d118 run`, `approve` and `resend`: what is sent, and the exit code that says so."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from d118_pipelines.errors import HeldError
from d118_pipelines.instance import dagster_instance
from d118_pipelines.state import database as db
from d118_pipelines.workflows.runs.run import account
from d118_pipelines_tests.conftest import HALF, PEOPLE, STAFF
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder


def plan_hash(project: ProjectFolder) -> str:
    return str(project.d118("plan", "hr_records", "--json").json()["plan_hash"])


@pytest.mark.long
def test_a_run_delivers_and_says_what(project: ProjectFolder) -> None:
    project.set_people([*PEOPLE, Person(4200)])

    answer = project.d118("run", "hr_records", "--json")

    assert answer.code == 0
    said = answer.json()
    assert said["status"]["state"] == "delivered"
    assert [(f["name"], f["rows"]) for f in said["status"]["files"]] == [
        ("StaffData.txt", 20),
        ("Job Types.txt", 20),
    ]
    assert b"p4200@d118.example" in project.outbox("hr_records")["StaffData.txt"]
    assert project.d118("runs", "--json").json()["runs"][0]["run"] == said["run_id"]


@pytest.mark.long
def test_a_held_run_is_3_and_sends_nothing(project: ProjectFolder) -> None:
    before = project.outbox("hr_records")
    project.set_people(HALF)

    answer = project.d118("run", "hr_records")

    assert answer.code == 3
    assert answer.out == ""
    short = plan_hash(project)[:8]
    assert (
        "HELD guard.drop_within_limit  hr_records: 10 records against 19" in answer.err
    )
    assert f"where: plan {short}" in answer.err.lower()
    assert (
        "Not done: Nothing was sent; the vendor keeps the last delivered files."
        in answer.err
    )
    assert f'd118 approve hr_records {short} --reason "..."' in answer.err
    assert answer.err.count("records against 19") == 1
    assert "prepared, not sent: exports/hr_records/staff_data, 10 rows" in answer.err
    assert "made exports" not in answer.err
    assert project.outbox("hr_records") == before


BLACKOUT = "blackouts: [{from: 2020-01-01, to: 2090-01-01, reason: summer}]"


@pytest.mark.long
def test_in_a_blackout_a_target_s_run_ends_well_and_nothing_is_sent(
    project: ProjectFolder,
) -> None:
    before = project.outbox("hr_records")
    project.edit("mappings/targets/hr_records.yaml", "guard:", f"guard:\n  {BLACKOUT}")
    project.set_people([*PEOPLE, Person(4200)])

    answer = project.d118("run", "hr_records")

    assert (answer.code, answer.out) == (0, "")
    assert (
        "hr_records: waiting: summer until 2090-01-01. Nothing was sent" in answer.err
    )
    assert project.outbox("hr_records") == before
    assert project.d118("status", "--target", "hr_records", "--check").code == 0
    [state] = project.d118("status", "--target", "hr_records", "--json").json()
    assert (state["state"], state["to_do"]) == ("waiting", "")
    assert state["last_error"] == "waiting: summer until 2090-01-01"
    short = plan_hash(project)[:8]
    sent = project.d118("approve", "hr_records", short, "--reason", "now", "--run")
    assert sent.code == 0, sent.err
    assert project.outbox("hr_records") != before


@pytest.mark.long
def test_an_approval_can_be_carried_out_in_one_step(held: ProjectFolder) -> None:
    short = plan_hash(held)[:8]

    answer = held.d118("approve", "hr_records", short, "--reason", "closed", "--run")

    assert answer.code == 0, answer.err
    assert answer.out.startswith("hr_records: delivered to var/outbox/hr_records")
    assert [row.used_at is None for row in held.rows(db.plan_approvals)] == [False]


@pytest.mark.long
def test_an_approved_plan_is_sent_by_the_next_run(held: ProjectFolder) -> None:
    short = plan_hash(held)[:8]

    approved = held.d118("approve", "hr_records", short, "--reason", "school closed")

    assert approved.code == 0
    assert f"Plan {short} of hr_records is released until " in approved.out
    assert "released by an approval" in held.d118("plan", "hr_records").out
    sent = held.d118("run", "hr_records")
    assert sent.code == 0
    assert "hr_records: delivered to var/outbox/hr_records and read back." in sent.out
    assert "StaffData.txt" in sent.out
    assert held.outbox("hr_records")["StaffData.txt"].count(b"\n") == 11


@pytest.mark.long
def test_an_approval_is_used_once_and_audited(held: ProjectFolder) -> None:
    full = plan_hash(held)
    told = held.d118("approve", "hr_records", full, "--reason", "closed", "--json")
    held.deliver("hr_records")

    assert told.json()["plan_hash"] == full
    [approval] = held.rows(db.plan_approvals)
    assert approval.used_at is not None
    assert approval.reason == "closed"
    audited = [(row.action, row.object, row.detail) for row in held.rows(db.audit_log)]
    assert ("approve", "hr_records", full) in audited
    assert ("approval used", "hr_records", full) in audited
    held.set_people(HALF[:5])
    assert held.export("hr_records").plan.verdict == "held"


@pytest.mark.long
def test_an_approval_does_not_release_other_changes(held: ProjectFolder) -> None:
    held.d118("approve", "hr_records", plan_hash(held), "--reason", "looked at ten")
    held.set_people(HALF[:9])

    with pytest.raises(HeldError):
        held.deliver("hr_records")


@pytest.mark.long
def test_an_expired_approval_releases_nothing(held: ProjectFolder) -> None:
    held.d118("approve", "hr_records", plan_hash(held), "--reason", "closed")
    past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    held.change_state(db.plan_approvals.update().values(expires_at=past))

    with pytest.raises(HeldError):
        held.deliver("hr_records")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("0" * 64, "not 0000"),
        ("short", "not short"),
        ("", "not ."),
    ],
)
def test_a_wrong_hash_is_2_and_names_the_newest_plan(
    held: ProjectFolder, wanted: str, says: str
) -> None:
    answer = held.d118("approve", "hr_records", wanted, "--reason", "closed")

    assert answer.code == 2
    assert f"The newest plan is {plan_hash(held)[:8]}, {says}" in answer.err
    assert held.rows(db.plan_approvals) == []


def test_an_approval_needs_a_reason(held: ProjectFolder) -> None:
    full = plan_hash(held)

    assert held.d118("approve", "hr_records", full).code == 2
    answer = held.d118("approve", "hr_records", full, "--reason", "  ")

    assert answer.code == 2
    assert "An approval needs a reason." in answer.err


def test_a_ready_plan_needs_no_approval(delivered: ProjectFolder) -> None:
    answer = delivered.d118(
        "approve", "hr_records", plan_hash(delivered), "--reason", "just so"
    )

    assert answer.code == 2
    assert "it needs no approval" in answer.err


@pytest.mark.long
def test_a_failure_is_1_and_cannot_be_approved(project: ProjectFolder) -> None:
    before = project.outbox("hr_records")
    project.edit("mappings/targets/hr_records.yaml", "min_rows: 1", "min_rows: 500")

    answer = project.d118("run", "hr_records")

    assert answer.code == 1
    assert "FAILED guard.rows_enough  hr_records: StaffData.txt has 19" in answer.err
    refused = project.d118(
        "approve", "hr_records", plan_hash(project), "--reason", "go on"
    )
    assert refused.code == 2
    assert "a failure cannot be approved" in refused.err
    assert project.outbox("hr_records") == before


@pytest.mark.long
def test_zero_rows_are_1_and_change_nothing(project: ProjectFolder) -> None:
    before = project.outbox("hr_records")
    plans = len(project.rows(db.plans))
    project.set_people([Person(4000, email_addr=None)])

    answer = project.d118("run", "hr_records")

    assert answer.code == 1
    assert "FAILED extract.zero_rows" in answer.err
    assert len(project.rows(db.plans)) == plans
    assert project.outbox("hr_records") == before


@pytest.mark.long
def test_demonstration_people_never_go_to_an_address(project: ProjectFolder) -> None:
    (project.root / "tables/DEMONSTRATION.txt").touch()
    address = {
        "HRRECORDS_SFTP_ADDRESS": "127.0.0.1:1",
        "HRRECORDS_SFTP_USERNAME": "nobody",
        "HRRECORDS_SFTP_PASSWORD": "canary-password",
    }

    answer = project.d118("run", "hr_records", **address)

    assert answer.code == 2
    assert "Demonstration data never goes to a configured address." in answer.err
    assert "127.0.0.1" not in answer.err + answer.out
    assert "canary-password" not in answer.err + answer.out


@pytest.mark.long
def test_a_password_that_is_not_set_is_2(project: ProjectFolder) -> None:
    address = {"HRRECORDS_SFTP_ADDRESS": "127.0.0.1:1", "HRRECORDS_SFTP_USERNAME": "u"}

    answer = project.d118("run", "hr_records", **address)

    assert answer.code == 2
    assert "HRRECORDS_SFTP_PASSWORD is not set" in answer.err
    [state] = project.d118(
        "status", "--target", "hr_records", "--json", **address
    ).json()
    assert state["state"] == "failed", "looking needs no password"


def test_resend_sends_the_same_bytes_again(project: ProjectFolder) -> None:
    before = project.outbox("smartfind")
    (project.home / "outbox/smartfind/W2SSO.csv").unlink()
    project.set_people(STAFF[:3])

    answer = project.d118("resend", "smartfind", "--json")

    assert answer.code == 0
    assert answer.json()["label"] == "var/outbox/smartfind"
    assert project.outbox("smartfind") == before
    newest = project.d118("ledger", "deliveries", "--json").json()[0]
    assert newest["resend_of"] is not None
    assert newest["status"] == "verified"


def test_resend_before_any_delivery_is_2(project: ProjectFolder) -> None:
    # Another destination: nothing was ever delivered there.
    settings = {
        "HRRECORDS_SFTP_ADDRESS": "127.0.0.1:1",
        "HRRECORDS_SFTP_USERNAME": "u",
        "HRRECORDS_SFTP_PASSWORD": "p",
    }

    answer = project.d118("resend", "hr_records", **settings)

    assert answer.code == 2
    assert "Nothing has been delivered to $HRRECORDS_SFTP_ADDRESS:" in answer.err
    assert "d118 run hr_records" in answer.err


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_resend_refuses_a_kept_file_that_is_not_as_it_was(
    project: ProjectFolder, damage: str
) -> None:
    before = project.outbox("hr_records")
    newest = max((project.home / "exports/hr_records").iterdir())
    kept = newest / "StaffData.txt"
    if damage == "changed":
        kept.write_bytes(kept.read_bytes().replace(b"Ana", b"Ann", 1))
    else:
        kept.unlink()

    answer = project.d118("resend", "hr_records")

    assert answer.code == 1
    assert "StaffData.txt" in answer.err
    assert project.outbox("hr_records") == before


@pytest.mark.long
def test_a_run_from_a_shell_is_the_ui_s_own(project: ProjectFolder) -> None:
    run_id = project.d118("run", "hr_records", "--json").json()["run_id"]

    with project.entered(), dagster_instance(project.project) as instance:
        # By this tag the page of a job looks for its runs.
        tags = {".dagster/repository": "__repository__@d118"}
        [run, *_] = instance.get_runs(dg.RunsFilter(job_name="hr_records", tags=tags))
    assert run.run_id == run_id
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == "d118"
    assert run.tags["sis/triggered_by"] == account()
    folder = project.root / ".dagster"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.long
def test_a_run_of_all_goes_on_after_one_that_is_held(project: ProjectFolder) -> None:
    project.set_people(HALF)
    project.edit(
        "mappings/targets/smartfind.yaml", "drop_percent: 10", "drop_percent: 90"
    )

    answer = project.d118("run", "--all")

    assert answer.code == 3
    assert "1 of 2 runs failed or are held.\n  HELD guard.drop_within" in answer.err
    assert "smartfind: delivered to" in answer.out
    runs = project.d118("runs", "--json").json()["runs"]
    names = {"hr_records", "smartfind", "disclosures"}
    assert {run["name"] for run in runs[:3]} == names
    assert (project.home / "reports/disclosures.md").is_file()


def test_a_run_needs_one_name_or_all(project: ProjectFolder) -> None:
    for words in ([], ["hr_records", "--all"]):
        answer = project.d118("run", *words)

        assert answer.code == 2
        assert "Give one name, or --all." in answer.err
