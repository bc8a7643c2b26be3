"""Roster to set to staged roster is the identity, for every version."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.targets.build import Export
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.targets.oneroster.drawn import rosters
from d118_pipelines_tests.targets.oneroster.reader import Reading
from d118_pipelines_tests.targets.oneroster.rosters import (
    Roster,
    archive,
    broken,
    exported,
)

Frames = dict[str, dict[str, dict[str, Any]]]


def compared(roster: Roster) -> Frames:
    """Entity -> external id -> every field of the model, blank ones too."""
    return {
        entity: {one["external_id"]: _fields(entity, one) for one in records}
        for entity, records in roster.items()
    }


def _fields(entity: str, one: dict[str, Any]) -> dict[str, Any]:
    names = ["status", "inactive_reason", *(f.name for f in ENTITIES[entity].fields)]
    found = {name: one.get(name) for name in names}
    found["status"] = one.get("status", "active")
    if entity == "users":
        ids = found["user_ids"] or []
        found["user_ids"] = sorted((i["type"], i["identifier"]) for i in ids)
    return found


def read_frames(export: Export) -> Frames:
    """The frames that the importer staged when the set was read back."""
    frames: Frames = {}
    folder = export.folder / ".inputs/self_check/staged"
    for entity in ENTITIES:
        for path in folder.glob(f"*/{entity}.parquet"):
            rows = [_plain(entity, row) for row in pq.read_table(path).to_pylist()]
            frames |= compared({entity: rows})
    return frames


def _plain(entity: str, row: dict[str, Any]) -> dict[str, Any]:
    lists = {f.name for f in ENTITIES[entity].fields if f.kind == "list"}
    return {
        name: json.loads(value)
        if name in lists and value is not None
        else (value.isoformat() if hasattr(value, "isoformat") else value)
        for name, value in row.items()
    }


@pytest.mark.long
@pytest.mark.parametrize("version", ["1.1", "1.2.1"])
@settings(max_examples=examples(2, 4), deadline=None)
@given(data=st.data())
def test_what_went_out_comes_back(version: str, data: st.DataObject) -> None:
    roster = data.draw(rosters(version), label="roster")
    with tempfile.TemporaryDirectory() as folder:
        export = exported(Path(folder), roster, version=version, demographics=True)

        assert set(broken(export)) <= {"guard.core_filled"}
        assert Reading(archive(export), version).complaints == []
        wanted = {name: rows for name, rows in compared(roster).items() if rows}
        assert read_frames(export) == wanted
