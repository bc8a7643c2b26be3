"""Projects that many tests begin with; each is made once per test process."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder

TARGETS = ("hr_records", "smartfind")
LEFT = 4019
"""Delivered once, gone from PowerSchool since."""
NO_PERSON = 4100
"""Skipped by the rule bad_name in both targets."""
STAFF = [Person(dcid) for dcid in range(4000, 4019)]
HALF = STAFF[:10]
PEOPLE = [*STAFF, Person(NO_PERSON, first_name="Test")]


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """Both targets delivered, and again by `d118 run` without LEFT; read it only."""
    folder = tmp_path_factory.mktemp("delivered") / "project"
    project = ProjectFolder(folder, [*PEOPLE, Person(LEFT)])
    assert project.d118("ledger", "seed", "smartfind", "--newest-dcid", "0").code == 0
    for target in TARGETS:
        project.deliver(target)
    project.set_people(PEOPLE)
    for target in TARGETS:
        answer = project.d118("run", target)
        assert answer.code == 0, answer.err
    return project


@pytest.fixture
def project(delivered: ProjectFolder, tmp_path: Path) -> ProjectFolder:
    """A copy of `delivered` for this test alone."""
    return delivered.copied(tmp_path / "project")


@pytest.fixture
def held(project: ProjectFolder) -> ProjectFolder:
    """A copy in which half of the people are gone and hr_records is held."""
    project.set_people(HALF)
    assert project.export("hr_records").plan.verdict == "held"
    return project
