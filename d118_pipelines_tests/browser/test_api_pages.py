"""`/docs` and `/redoc` in Chromium: what they show, and that nothing comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from d118_pipelines_tests.browser.chromium import FLAGS, find_chromium
from d118_pipelines_tests.support.console import (
    PASSWORD,
    VIEWER,
    on_loopback,
    running_console,
)
from d118_pipelines_tests.support.project import ProjectFolder

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]
LOAD_MS = 120_000


def test_both_pages_show_every_operation_and_ask_nobody_else(tmp_path: Path) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    with (
        running_console(ProjectFolder(tmp_path / "project")) as console,
        on_loopback(console) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(base_url=url)
        expect.set_options(timeout=LOAD_MS)
        page.set_default_timeout(LOAD_MS)
        asked, told = heard(page)
        page.goto("/")
        page.get_by_label("Name").fill(VIEWER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="Going out")).to_be_visible()
        told.clear()  # before that, each page is answered with 401

        page.goto("/docs")
        shown = page.locator(".opblock-summary-path")
        expect(shown.first).to_be_visible()
        paths = page.request.get("/openapi.json").json()["paths"]
        assert len(paths) <= shown.count()
        page.get_by_text("/api/v1/providers", exact=True).first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table")).to_contain_text("powerschool")
        page.goto("/redoc")
        expect(page.get_by_text("/celery/status").first).to_be_attached()
        page.get_by_placeholder("Search...").fill("schedule")
        expect(page.get_by_role("menu").first).to_be_visible()
        browser.close()

    assert asked and all(one.startswith((url, "data:", "blob:")) for one in asked)
    assert told == []


def heard(page: Page) -> tuple[list[str], list[str]]:
    """The addresses that are asked, and what the page complains about, from now on."""
    asked: list[str] = []
    told: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: told.append(str(error)))

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            told.append(f"{message.text} {message.location['url']}")

    page.on("console", complain)
    return asked, told
