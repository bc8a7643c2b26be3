"""What a person sees of a roster sync in Dagster's UI, in a real browser.

The demonstration district's roster is synced by the job's button.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from d118_pipelines.kernel.guard_rule import check_name
from d118_pipelines.roster.planning.guard import RULES
from d118_pipelines_tests.browser.chromium import HEIGHT, WIDTH, Browser

pytestmark = [pytest.mark.real, pytest.mark.long]

PLAN = "/assets/roster/powerschool/plan"
APPLY = "/assets/roster/powerschool/apply"
ENTITIES = ("orgs", "terms", "courses", "classes", "users", "enrollments")


@pytest.fixture(scope="module")
def sync(browser: Browser) -> str:
    """The run that the button of the job sync_powerschool launched, ended."""
    run_id = browser.materialize_all("sync_powerschool")
    browser.ui.wait_for_run(run_id)
    return run_id


def test_a_sync_launched_by_its_button_ends_in_success(
    browser: Browser, sync: str
) -> None:
    assert browser.end_of_run(sync) == "Success"

    browser.visit(f"/runs/{sync}?levels=info")
    browser.sees("powerschool: applied, ")


@pytest.mark.parametrize(
    ("group", "assets"),
    [
        ("powerschool_raw", ("students", "section_teachers")),
        ("powerschool_staged", ENTITIES),
        ("powerschool", ("plan", "apply")),
    ],
)
def test_the_lineage_has_a_group_for_each_layer(
    browser: Browser, sync: str, group: str, assets: tuple[str, ...]
) -> None:
    # Assets outside of the window are not drawn.
    browser.page.set_viewport_size({"width": WIDTH, "height": 12 * HEIGHT})
    browser.visit(f"/locations/d118/asset-groups/{group}/lineage")

    graph = browser.page.locator("svg")
    for name in assets:
        expect(graph.get_by_text(name, exact=True).first).to_be_visible()
    browser.text()
    browser.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def test_the_page_of_the_plan_has_a_row_for_each_entity(
    browser: Browser, sync: str
) -> None:
    browser.visit(PLAN, "plan_hash", "schools")

    expect(browser.metadata("verdict")).to_contain_text("ready")
    table = browser.metadata("plan")
    for name in ENTITIES:
        expect(table.get_by_text(name, exact=True)).to_be_visible()
    # entity, active, fetched and created, without blanks between the cells
    expect(table).to_contain_text(re.compile(r"users0([\d,]+)\1"))


def test_the_checks_tab_lists_every_rule_of_the_guard(
    browser: Browser, sync: str
) -> None:
    names = [check_name(code) for code in RULES]

    browser.visit(f"{PLAN}?view=checks", f"Checks ({len(names)})", *names)

    passed = browser.page.get_by_text("Succeeded", exact=True)
    expect(passed).to_have_count(len(names))
    browser.sees("blocking asset check")


def test_the_page_of_the_apply_has_the_numbers_of_the_run(
    browser: Browser, sync: str
) -> None:
    browser.visit(APPLY, "records_changed", "created users")

    # One of the demonstration rows is wrong on purpose.
    expect(browser.metadata("status")).to_contain_text("PARTIAL")
    said = browser.ui.project.d118("providers", "list", "--json").json()
    [state] = [one for one in said if one["provider"] == "powerschool"]
    created = state["statistics"]["users"]["created"]
    assert created > 4000
    expect(browser.metadata("created users")).to_contain_text(f"{created}")


def test_a_disabled_provider_is_not_in_the_list_of_jobs(browser: Browser) -> None:
    shown = browser.visit("/jobs", "sync_powerschool", "smartfind")

    assert "sync_clever" not in shown


def test_no_value_of_a_person_was_shown(browser: Browser, sync: str) -> None:
    shown = "\n".join(browser.texts.values())

    assert "plan_hash" in shown
    assert not re.search(r"\w@\w+\.example", shown)
