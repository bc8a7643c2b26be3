"""What a person sees and does in Dagster's UI, in a real browser.

The server, the browser and what holds SmartFind Express are in `conftest.py`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from contextlib import suppress

import pytest
from playwright.sync_api import expect

from d118_pipelines.targets.definition import read_target
from d118_pipelines.targets.guard import rule_meanings
from d118_pipelines_tests.browser.chromium import Browser

pytestmark = [pytest.mark.real, pytest.mark.long]

STAFF_DATA = "/assets/exports/hr_records/staff_data"
PROFILES = "/assets/exports/smartfind/p1_profile_basic"
_ORIGIN = """query($id: ID!) { runOrError(runId: $id) { ... on Run {
  repositoryOrigin { repositoryLocationName } } } }"""
PERSONAL = ("first_name", "last_name", "email_addr", "home_phone", "street")


@pytest.fixture(scope="module")
def hr_run(browser: Browser) -> str:
    """The run that the button of the job hr_records launched, ended."""
    run_id = browser.materialize_all("hr_records")
    browser.ui.wait_for_run(run_id)
    return run_id


@pytest.fixture(scope="module")
def held_run(browser: Browser) -> str:
    """The run of smartfind that the guard held, ended."""
    run_id = browser.materialize_all("smartfind")
    browser.ui.wait_for_run(run_id)
    return run_id


def test_lineage_shows_a_group_per_system_and_its_assets(browser: Browser) -> None:
    browser.visit("/asset-groups", "powerschool_raw", "hr_records", "smartfind")

    browser.page.locator("svg").get_by_text("hr_records", exact=True).click()

    graph = browser.page.locator("svg")
    expect(graph.get_by_text("staff_data", exact=True)).to_be_visible()
    expect(graph.get_by_text("job_types", exact=True)).to_be_visible()
    browser.text()


def test_a_run_launched_by_its_button_ends_in_success(
    browser: Browser, hr_run: str
) -> None:
    assert browser.end_of_run(hr_run) == "Success"

    browser.visit(f"/runs/{hr_run}?levels=info")
    browser.sees("hr_records: verified at var/outbox/hr_records")


def test_the_page_of_an_export_shows_counts_findings_and_plan(
    browser: Browser, hr_run: str
) -> None:
    rows = _lines(browser, "hr_records", "StaffData.txt") - 1

    browser.visit(STAFF_DATA, "Row count", "findings_by_code", "plan_hash")

    body = browser.page.locator("body")
    expect(body).to_contain_text(re.compile(rf"Row count\s*{rows}(?!\d)"))
    expect(browser.metadata("findings_by_code")).to_contain_text("duplicate_email")
    expect(browser.metadata("plan")).to_contain_text(f"staff_data{rows}")
    expect(browser.metadata("verdict")).to_contain_text("ready")


def test_the_page_of_a_delivery_shows_where_the_files_are_and_their_hashes(
    browser: Browser, hr_run: str
) -> None:
    files = browser.ui.project.outbox("hr_records")

    browser.visit("/assets/deliveries/hr_records", "destination", "files")

    where = browser.metadata("destination")
    expect(where).to_contain_text("var/outbox/hr_records")
    assert len(files) == 2
    for name, content in files.items():
        browser.sees(name)
        browser.sees(hashlib.sha256(content).hexdigest())


def test_the_checks_tab_lists_every_rule_of_the_guard(
    browser: Browser, hr_run: str
) -> None:
    root = browser.ui.project.root
    target = read_target(
        root / "mappings/targets/hr_records.yaml", root / "sql/exports"
    )
    rules = [code.removeprefix("guard.") for code in rule_meanings(target)]

    browser.visit(f"{STAFF_DATA}?view=checks", f"Checks ({len(rules)})", *rules)

    assert len(rules) > 5
    passed = browser.page.get_by_text("Succeeded", exact=True)
    expect(passed).to_have_count(len(rules))
    browser.sees("blocking asset check")


@pytest.mark.parametrize("name", ["hr_records_schedule", "smartfind_schedule"])
def test_the_schedule_runs_from_the_start(browser: Browser, name: str) -> None:
    browser.visit("/automation", name)

    link = browser.page.get_by_role("link", name=name)
    row = link.locator("xpath=ancestor::*[count(.//input) = 2][1]")
    expect(row.locator("input").last).to_be_checked()


@pytest.mark.long
def test_a_run_from_a_shell_is_on_the_page_of_its_job_and_can_be_run_again(
    browser: Browser, hr_run: str
) -> None:
    started = browser.ui.project.run_d118("run", "hr_records", "--json")
    run_id = started.json()["run_id"]

    browser.visit("/locations/d118/jobs/hr_records/runs", run_id[:8], hr_run[:8])
    origin = browser.ui.graphql(_ORIGIN, id=run_id)["runOrError"]["repositoryOrigin"]
    browser.visit(f"/runs/{run_id}")
    browser.page.get_by_role("button", name="Re-execute all").click()
    browser.page.wait_for_url(lambda url: "/runs/" in url and run_id not in url)

    # Without it no run is in the timeline.
    assert origin == {"repositoryLocationName": "d118"}
    again = browser.page.url.partition("?")[0].rpartition("/")[2]
    assert browser.end_of_run(again) == "Success"


def test_a_held_run_shows_the_guard_s_words_and_its_verdict(
    browser: Browser, held_run: str
) -> None:
    assert browser.end_of_run(held_run) == "Failure"
    browser.sees("HELD guard.adds_within_limit")

    browser.visit("/runs", "sis/verdict: held", "sis/target: smartfind")


def test_a_held_plan_is_released_in_the_launchpad(
    browser: Browser, held_run: str
) -> None:
    """By the run's own link: the job approve with target and hash, and a typed reason."""
    assert browser.ui.project.outbox("smartfind") == {}
    browser.visit(f"{PROFILES}?view=checks&checkDetail=adds_within_limit")
    browser.sees("d118 approve smartfind")
    browser.visit(PROFILES, "plan_hash")
    expect(browser.metadata("verdict")).to_contain_text("held")
    link = _approve_link(browser, held_run)

    approval = browser.launch_from(link, "ten new people")
    assert browser.end_of_run(approval) == "Success"
    assert browser.end_of_run(browser.materialize_all("smartfind")) == "Success"

    assert len(browser.ui.project.outbox("smartfind")) == 3
    browser.visit(PROFILES, "plan_hash")
    expect(browser.metadata("verdict")).to_contain_text("approved")


@pytest.mark.long
def test_nothing_that_dagster_shows_or_keeps_has_a_personal_value(
    browser: Browser, hr_run: str, held_run: str
) -> None:
    people = _people(browser)
    delivered = browser.ui.project.outbox("hr_records")["StaffData.txt"].decode()
    known = [one for one in people if one["email_addr"] in delivered]
    assert len(known) > 500, "the values that are looked for must be the real ones"
    browser.visit(STAFF_DATA, "plan_hash")
    browser.end_of_run(hr_run)

    shown = "\n".join(browser.texts.values())
    logged = "\n".join(
        json.dumps(browser.ui.events(run), ensure_ascii=False)
        for run in browser.ui.run_ids()
    )
    kept = _all_that_dagster_keeps(browser)

    assert "StaffData.txt" in shown
    assert "StaffData.txt" in logged
    assert "StaffData.txt" in kept
    for one in known[::50]:
        for name in PERSONAL:
            assert not _has_word(shown, one[name]), f"a page shows a {name}"
            assert not _has_word(logged, one[name]), f"a run's log has a {name}"
    domains = {one["email_addr"].partition("@")[2] for one in known}
    assert not [domain for domain in domains if f"@{domain}" in kept]


def _approve_link(browser: Browser, run_id: str) -> str:
    """Where the link of the held step leads to."""
    browser.page.goto(f"{browser.ui.url}/runs/{run_id}")
    link = browser.page.get_by_role("link", name="playground/setup").first
    path = link.get_attribute("href")
    assert path is not None
    return path


def _lines(browser: Browser, target: str, file: str) -> int:
    return len(browser.ui.project.outbox(target)[file].splitlines())


def _people(browser: Browser) -> list[dict[str, str]]:
    path = browser.ui.project.home / "demo/powerschool/users.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["email_addr"].strip()]


def _all_that_dagster_keeps(browser: Browser) -> str:
    """Event databases, artifacts and captured output, as one text."""
    folder = browser.ui.project.root / ".dagster"
    texts = []
    for path in folder.rglob("*"):
        # SQLite takes its journals away while the server runs.
        with suppress(FileNotFoundError):
            if path.is_file():
                texts.append(path.read_text("utf-8", errors="replace"))
    return "\n".join(texts)


def _has_word(text: str, value: str) -> bool:
    return bool(value) and bool(re.search(rf"\b{re.escape(value)}\b", text))
