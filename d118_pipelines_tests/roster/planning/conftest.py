"""A world with two providers, for the tests of matching and plan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines_tests.roster.planning.rosters import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty roster; the provider `sis` goes before `clever`."""
    made = World(tmp_path, sis=100, clever=200)
    yield made
    made.close()
