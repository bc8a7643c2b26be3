"""An installed Chromium in front of Dagster's UI.

Belongs here: starting the browser and the steps that a person does on a page. Not here:
the server (`support/dagster_ui.py`), what has to be true (`test_ui.py`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page, expect, sync_playwright

from d118_pipelines_tests.support.dagster_ui import DagsterUi

WIDTH, HEIGHT = 1600, 1000
LOAD_SECONDS = 180
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def find_chromium() -> str | None:
    """The program that `CHROMIUM` names, else `chromium`; None if there is none."""
    return shutil.which(os.environ.get("CHROMIUM") or "chromium")


@dataclass(slots=True)
class Browser:
    """One tab on a running UI; `texts` keeps what was shown, by address."""

    ui: DagsterUi
    page: Page
    texts: dict[str, str] = field(default_factory=dict)

    def visit(self, path: str, *shown: str) -> str:
        """Open a page, wait until all of `shown` can be read on it, return its text."""
        self.page.goto(f"{self.ui.url}{path}")
        for text in shown:
            expect(self.page.get_by_text(text, exact=True).first).to_be_visible()
        return self.text()

    def sees(self, part: str) -> None:
        """Wait until a text that contains `part` can be read; fails if none comes."""
        expect(self.page.get_by_text(part).first).to_be_visible()
        self.text()

    def text(self) -> str:
        """All that is readable on the page now."""
        text = self.page.inner_text("body")
        address = self.page.url
        self.texts[address] = self.texts.get(address, "") + text
        return text

    def metadata(self, key: str) -> Locator:
        """The row of an asset's metadata."""
        cell = self.page.get_by_role("cell", name=key, exact=True)
        return self.page.get_by_role("row").filter(has=cell)

    def materialize_all(self, job: str) -> str:
        """Press the job's button, go to the run that it launched and return its id."""
        self.page.goto(f"{self.ui.url}/locations/d118/jobs/{job}")
        self.page.get_by_role("button", name="Materialize all").click()
        self.page.get_by_role("link", name="View", exact=True).click()
        self.page.wait_for_url("**/runs/*")
        return _run_id(self.page.url)

    def launch_from(self, path: str, typed: str) -> str:
        """Open a filled launchpad, type what its last line lacks, launch, return the run."""
        self.page.goto(f"{self.ui.url}{path}")
        self.page.locator(".CodeMirror").click()
        self.page.keyboard.press("Control+End")
        self.page.keyboard.insert_text(typed)
        expect(self.page.get_by_text("No errors", exact=True)).to_be_visible()
        self.page.get_by_role("button", name="Launch Run").click()
        self.page.wait_for_url("**/runs/*")
        return _run_id(self.page.url)

    def end_of_run(self, run_id: str) -> str:
        """Wait for a run to end and return what its page says: Success or Failure."""
        self.ui.wait_for_run(run_id)
        if _run_id(self.page.url) != run_id:
            self.page.goto(f"{self.ui.url}/runs/{run_id}")
        ended = self.page.get_by_text("Success", exact=True)
        ended = ended.or_(self.page.get_by_text("Failure", exact=True)).first
        expect(ended).to_be_visible()
        # The newest lines of the log come last and are scrolled to.
        expect(self.page.get_by_text("Process for run exited")).to_be_visible()
        self.text()
        return ended.inner_text()


@contextmanager
def open_browser(ui: DagsterUi, program: str) -> Iterator[Browser]:
    """Start the browser with an empty profile; nothing is downloaded."""
    expect.set_options(timeout=LOAD_SECONDS * 1000)
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            args=FLAGS,
            viewport={"width": WIDTH, "height": HEIGHT},
        )
        context.set_default_timeout(LOAD_SECONDS * 1000)
        try:
            yield Browser(ui, context.pages[0])
        finally:
            context.close()


def _run_id(address: str) -> str:
    return address.partition("?")[0].rpartition("/")[2]
