"""What other entities gave is looked for only where the roster has any of it."""

from __future__ import annotations

import pytest

from d118_pipelines.roster.planning.baseline import with_kept
from d118_pipelines_tests.roster.store.stores import DISTRICT, Store
from d118_pipelines_tests.roster.store.test_apply import roster

GIVEN = {"classes", "users"}


def kept(store: Store, provider: str) -> set[str]:
    with store.database.reading() as connection:
        return with_kept(connection, GIVEN, district=DISTRICT, provider=provider)


@pytest.mark.long
def test_only_what_the_roster_has_is_asked_for(store: Store) -> None:
    taught = roster()
    taught["classes"][0]["primary_teacher_external_id"] = "2"

    empty = kept(store, "sis")
    store.sync(taught)

    assert empty == set()
    assert kept(store, "sis") == {"classes", "users"}
    assert kept(store, "another") == {"users"}  # people are those of the district
