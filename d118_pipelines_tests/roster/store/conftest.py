"""Stores on both engines; every test that takes `store` runs on each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.state.database import Database
from d118_pipelines_tests.roster.store.stores import Store
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.templates import new_state

HERE = Path(__file__).parent


# What the two engines do differently; the rest runs on PostgreSQL by `make test-long`.
ON_BOTH = ("test_transactions", "test_undo")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose run on PostgreSQL may wait."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        if (
            parameters is not None
            and item.path.parent == HERE
            and item.path.stem not in ON_BOTH
            and parameters.params.get("url") == "postgresql"
        ):
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a new database; empty for the file."""
    if request.param == "sqlite":
        yield ""
        return
    yield from new_database()


@pytest.fixture
def database(url: str, tmp_path: Path) -> Database:
    """An empty state database."""
    if not url:
        new_state(tmp_path / "d118.sqlite")
    return Database(tmp_path / "d118.sqlite", url)


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    """An empty roster; the provider `sis` goes before `clever`."""
    return Store(database, tmp_path, priorities={"sis": 100, "clever": 200})
