"""What several test files of this folder share."""

from __future__ import annotations

import pytest

from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines_tests.sources.clever.staged_district import (
    rich_district,
    staged_of,
)


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Staged:
    """The rich district, staged once for all who look at it."""
    folder = tmp_path_factory.mktemp("rich")
    return staged_of(rich_district(), folder, with_contacts=True)
