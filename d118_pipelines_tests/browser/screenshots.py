"""The pictures of the README: `python -m d118_pipelines_tests.browser.screenshots FOLDER`.

They show the demonstration district on the second day of a sync: everything delivered,
then a few people changed and HR Records launched by its button.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from d118_pipelines_tests.browser.chromium import (
    HEIGHT,
    Browser,
    find_chromium,
    open_browser,
)
from d118_pipelines_tests.support.dagster_ui import materialize_all, running_dagster
from d118_pipelines_tests.support.project import ProjectFolder

ASSET_WIDTH, ASSET_HEIGHT = 1800, 2200
"""Wide enough for the tables of an asset's page, high enough for all of it."""
LEVELS = "critical%7Cerror%7Cinfo%7Cwarning"
"""What the project says itself, without the events of Dagster."""
SETTLE_MILLISECONDS = 3000
"""After the last text has come: animations end and numbers are fetched."""


def main(folder: Path) -> int:
    """Write the pictures into `folder`; returns the exit code."""
    program = find_chromium()
    if program is None:
        print("Chromium is not installed.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        project = ProjectFolder(Path(temporary) / "d118_pipelines")
        materialize_all(project)
        _change_some_phones(project)
        with running_dagster(project) as ui, open_browser(ui, program) as browser:
            _take_all(browser, folder)
    return 0


def _take_all(browser: Browser, folder: Path) -> None:
    page = browser.page
    run_id = browser.materialize_all("hr_records")
    assert browser.end_of_run(run_id) == "Success"
    browser.visit(f"/runs/{run_id}?levels={LEVELS}", "stdout", "Succeeded (3)")
    _take(page, folder / "run.png", bottom=650)
    _open_lineage(browser)
    _take(page, folder / "lineage.png", bottom=HEIGHT)
    page.get_by_role("button", name="Hide navigation").click()
    page.set_viewport_size({"width": ASSET_WIDTH, "height": ASSET_HEIGHT})
    _open_asset(browser, "deliveries/hr_records", "files")
    _take(page, folder / "delivery.png", bottom=_end_of_metadata(page))
    _open_asset(browser, "exports/hr_records/staff_data", "plan_hash")
    page.get_by_text("Description", exact=True).first.click()
    _take(page, folder / "export.png", bottom=_end_of_metadata(page))


def _open_asset(browser: Browser, key: str, shown: str) -> None:
    """The asset's page with all of its metadata."""
    browser.visit(f"/assets/{key}", "Latest materialization", shown)


def _open_lineage(browser: Browser) -> None:
    """The whole graph, a box for each layer of a provider and for each target."""
    browser.visit("/asset-groups?expanded=", "powerschool_raw", "district")
    expect(browser.page.get_by_text("Loading...")).to_have_count(0)


def _end_of_metadata(page: Page) -> int:
    box = page.get_by_role("row").last.bounding_box()
    assert box is not None
    return min(int(box["y"] + box["height"]) + 15, ASSET_HEIGHT)


def _take(page: Page, path: Path, *, bottom: int) -> None:
    """Take the window from its top to `bottom`, in pixels."""
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    size = page.viewport_size
    assert size is not None
    page.screenshot(path=path, clip={"x": 0, "y": 0, **size, "height": bottom})
    print(f"{path} ({path.stat().st_size:,} bytes)")


def _change_some_phones(project: ProjectFolder) -> None:
    """Give five people of the demonstration district another telephone number."""
    path = project.home / "demo/powerschool/users.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[100:500:80]:
        row["home_phone"] = "847-555-0123"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")))
