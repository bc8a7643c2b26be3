"""The site of docs/: it builds, its links lead somewhere, and it loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from d118_pipelines.cli import asset_reference, settings_reference
from d118_pipelines.config.project import Project
from d118_pipelines_tests.docs.markdown import DOCS, REPOSITORY, page

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src")}


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            if value and (tag, name) in LOADS:
                self.loaded.append(value)
            if value and (tag, name) == ("a", "href"):
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of the builder is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [
            str(Path(sys.executable).with_name("mkdocs")),
            "build",
            "--strict",
            "-d",
            folder,
        ],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {
        path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"
    }


@pytest.mark.long
def test_every_page_of_docs_is_on_the_site(pages: dict[Path, Page], site: Path) -> None:
    named = {path.relative_to(DOCS) for path in DOCS.rglob("*.md")}
    wanted = {
        path.with_name("index.html")
        if path.stem == "README"
        else path.with_suffix(".html")
        for path in named
    }

    assert {path.relative_to(site) for path in pages} == wanted


@pytest.mark.long
def test_the_flowchart_is_drawn_with_every_node_and_arrow(site: Path) -> None:
    chart = page("architecture.md").partition("```mermaid")[2].partition("```")[0]
    built = (site / "architecture.html").read_text(encoding="utf-8")
    drawn = built.partition("<figure>")[2].partition("</figure>")[0]

    texts = re.findall(r'\["(.*?)"\]', chart.replace("(", "").replace(")", ""))
    assert len(texts) > 10
    for line in (line for text in texts for line in text.split("<br/>")):
        assert f">{line}</text>" in drawn
    assert drawn.count("<path") == chart.count("-->")
    assert "flowchart" not in built


@pytest.mark.long
def test_every_link_leads_to_a_page_and_a_place_of_it(pages: dict[Path, Page]) -> None:
    lost = []
    for path, found in pages.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (
                (path.parent / unquote(parts.path)).resolve() if parts.path else path
            )
            is_there = target.is_file() and (
                not parts.fragment
                or target not in pages
                or unquote(parts.fragment) in pages[target].places
            )
            lost += [] if is_there else [f"{path.name}: {link}"]

    assert lost == []


@pytest.mark.long
def test_nothing_is_loaded_from_another_host(
    pages: dict[Path, Page], site: Path
) -> None:
    hosts = {
        link
        for one in pages.values()
        for link in one.loaded
        if "//" in link.split("?")[0]
    }

    assert hosts == set()
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert "url(http" not in text and "@import" not in text, style


def test_the_settings_are_those_of_the_code() -> None:
    assert page("reference/settings.md") == settings_reference.page(), (
        "make cli-reference"
    )


def test_the_assets_are_those_of_the_code() -> None:
    made = asset_reference.page(Project(REPOSITORY, REPOSITORY / "var"))

    assert page("reference/assets.md") == made, "make cli-reference"
