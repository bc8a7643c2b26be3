"""A person's morning in the console, in Chromium, against everything that `d118 serve` starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from d118_pipelines.state.database import audit_log
from d118_pipelines_tests.browser.chromium import FLAGS, find_chromium
from d118_pipelines_tests.support.console import (
    ADMIN,
    PASSWORD,
    VIEWER,
    served_console,
)
from d118_pipelines_tests.support.dagster_ui import DagsterUi
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1500)]
LOAD_MS = 120_000
NAME = "Sheets of the office"
PICTURES = os.environ.get("D118_PICTURES", "")
"""A folder for pictures of the pages, to look at; none by default."""


def drop(project: ProjectFolder, students: int) -> None:
    """Put a spreadsheet with so many students into the inbox."""
    rows = "".join(
        f"{900 + n},s{n}@d118.example,Given{n},Family{n},student,s{n},5,S1,D1\n"
        for n in range(students)
    )
    inbox = project.home / "inbox/sheets_of_the_office"
    inbox.mkdir(parents=True, exist_ok=True)
    for name in ("schools", "users"):
        template = REPOSITORY / f"examples/csv/{name}_template.csv"
        head, *lines = template.read_text(encoding="utf-8").splitlines()
        body = rows if name == "users" else "\n".join(lines)
        (inbox / f"{name}.csv").write_text(f"{head}\n{body}", encoding="utf-8")


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page, if somebody wants to look."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    return ProjectFolder(tmp_path_factory.mktemp("console") / "project")


@pytest.fixture(scope="module")
def url(project: ProjectFolder) -> Iterator[str]:
    with served_console(project) as address:
        yield address


@pytest.fixture
def page(url: str) -> Iterator[Page]:
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        expect.set_options(timeout=LOAD_MS)
        opened = browser.new_page(base_url=url)
        opened.set_default_timeout(LOAD_MS)
        try:
            yield opened
        finally:
            browser.close()


def sign_in(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Going out")).to_be_visible()


def test_a_morning(page: Page, project: ProjectFolder) -> None:
    sign_in(page, ADMIN)
    picture(page, "morning")

    # A provider, step by step.
    page.get_by_role("link", name="Integrations").click()
    page.get_by_role("link", name="Add integration").click()
    page.get_by_role("link", name="Spreadsheets").click()
    page.get_by_label("Name").fill(NAME)
    picture(page, "add")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    drop(project, 40)
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_role("status")).to_contain_text("users")

    # Its first sync; the page of the run renews itself until it has ended.
    page.get_by_role("button", name="Run sync now").click()
    page.wait_for_url("**/runs/*")
    expect(page.get_by_text("applied", exact=True)).to_be_visible()
    picture(page, "run")

    # Most people are gone: held, looked at, approved and carried out.
    drop(project, 10)
    page.goto("/feeds/sheets_of_the_office")
    page.get_by_role("button", name="Run it now").click()
    page.wait_for_url("**/runs/*")
    expect(page.get_by_text("held", exact=True)).to_be_visible()
    page.goto("/")
    picture(page, "morning_held")
    page.get_by_role("link", name="Look at what is held").click()
    expect(page.get_by_role("heading", name="What is held")).to_be_visible()
    picture(page, "held")
    assert page.get_by_text("email: ").count() == 0
    page.get_by_role("button", name="Show the values").click()
    expect(page.get_by_text("s39@d118.example").first).to_be_visible()
    page.get_by_label("Why this plan is right").fill("The office sends one grade")
    page.get_by_role("button", name="Approve and run").click()
    page.wait_for_url("**/runs/*")
    expect(page.get_by_text("applied", exact=True)).to_be_visible()

    # One of them through every system.
    page.get_by_role("link", name="A person").click()
    page.get_by_label("Any id of the person").fill("s3@d118.example")
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_text("s3@d118.example is").first).to_be_visible()
    picture(page, "person")

    page.get_by_role("link", name="Dagster").click()
    expect(page.get_by_text("sync_sheets_of_the_office").first).to_be_visible()
    page.goto("/integrations/sis/sheets_of_the_office")
    picture(page, "provider")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.goto("/").status == 401  # type: ignore[union-attr]


MAIN = ("/", "/integrations/sis", "/integrations/sis/powerschool", "/runs", "/person")
LISTS = ("/findings", "/deliveries", "/register")
MORE = ("/integrations/sis/add?kind=CLEVER", "/feeds/hr_records")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_a_screen_reader_out(page: Page, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    axe = Axe()
    page.goto("/")
    found = {"/sign-in": axe.run(page).response["violations"]}
    sign_in(page, ADMIN)
    for path in (*MAIN, *LISTS, *MORE):
        page.goto(path)
        found[path] = axe.run(page).response["violations"]

    told = {p: [v["id"] for v in bad] for p, bad in found.items() if bad}
    assert told == {}, found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_every_page_without_scrolling_sideways(
    page: Page, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, ADMIN)
    for path in (*MAIN, *LISTS, *MORE):
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, path
        picture(page, f"phone_{scheme}_{path.strip('/').replace('/', '_')[:20]}")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ("246" in dark) is (scheme == "light")


def test_what_is_launched_in_dagsters_pages_has_the_name_of_the_account(
    project: ProjectFolder, url: str
) -> None:
    with httpx.Client(base_url=url) as person:
        person.post("/sign-in", data={"name": ADMIN, "password": PASSWORD})
        [(name, value)] = person.cookies.items()
    dagster = DagsterUi(f"{url}/dagster", project, {"Cookie": f"{name}={value}"})

    forged = {"sis/triggered_by": VIEWER, "dagster/schedule_name": "nightly"}
    run_id = dagster.launch("cleanup_old_jobs", **forged)
    assert dagster.wait_for_run(run_id) == "SUCCESS"

    rows = project.rows(audit_log)
    of_it = [row for row in rows if run_id in (row.object, row.detail[4:40])]
    told = {row.action: row.actor for row in of_it}
    actions = ("launched", "run started", "run ended")
    assert told == dict.fromkeys(actions, f"console/{ADMIN}")


def test_dagsters_own_page_lets_a_viewer_launch_nothing(page: Page, url: str) -> None:
    sign_in(page, VIEWER)
    page.goto("/dagster/")
    expect(page.get_by_text("Timeline").first).to_be_visible()

    status = page.evaluate(
        """async () => (await fetch("/dagster/graphql", {method: "POST",
        headers: {"content-type": "application/json"}, body: JSON.stringify(
        {query: "mutation { reloadWorkspace { __typename } }"})})).status"""
    )

    assert status == 403
