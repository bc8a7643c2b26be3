"""One `dagster dev` and one browser for all tests of this folder.

The project has the demonstration district, a large set of files and a OneRoster
service. SmartFind Express may add nobody, so the district's new people hold its first
plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

from d118_pipelines_tests.browser.chromium import Browser, find_chromium, open_browser
from d118_pipelines_tests.support.dagster_ui import DagsterUi, running_dagster
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import OneRosterServer, TokenGate
from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.roster_sync import RosterProject, oneroster
from d118_pipelines_tests.support.small_sets import PROVIDER


class Running(NamedTuple):
    """Dagster's UI, the project that it serves, and the service of `sis`."""

    ui: DagsterUi
    project: RosterProject
    server: OneRosterServer


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    file = REPOSITORY / "config/providers.yaml"
    own = yaml.safe_load(file.read_text(encoding="utf-8"))["providers"]
    with OneRosterServer(district(5), gate=TokenGate()) as server:
        root = tmp_path_factory.mktemp("ui") / "project"
        project = RosterProject(root, *own, PROVIDER, oneroster(server))
        project.edit("mappings/targets/smartfind.yaml", "max_adds: 50", "max_adds: 0")
        with running_dagster(project) as ui:
            yield Running(ui, project, server)


@pytest.fixture(scope="package")
def browser(running: Running) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    with open_browser(running.ui, program) as opened:
        yield opened
