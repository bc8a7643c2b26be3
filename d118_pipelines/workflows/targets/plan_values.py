"""The values behind the changes of a stored plan: what was, and what would be.

Called by the console, after a click that is in the audit, and by `d118 plan --values`.
Everything else shows keys and columns only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.sql_text import identifier
from d118_pipelines.kernel.text import clean_text
from d118_pipelines.roster.model.tables import ENTITY_TABLES
from d118_pipelines.roster.planning.plan import read_plan
from d118_pipelines.roster.planning.record_views import (
    make_record_views,
    record_source,
)
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.targets.ledger import last_verified
from d118_pipelines.workflows.runs.feed import Feed, Row
from d118_pipelines.workflows.targets.target_feed import TargetFeed

if TYPE_CHECKING:
    import duckdb

_UNSAID = ("id", "district_id", "provider_id", "row_hash", "created_at", "updated_at")
Found = Mapping[tuple[str, str], Row]
"""File or entity, and key -> the record's columns."""


def with_values(feed: Feed, plan: StoredPlan, changes: Sequence[Row]) -> list[Row]:
    """The changes with two columns more, `before` and `now`: `column: value; ...`.

    changes: of a page of this plan. Of a changed record they have its changed columns,
    of others all that have a value. What is not kept any more is empty.
    """
    if isinstance(feed, TargetFeed):
        part, found = "file", _of_files(feed, plan, changes)
    else:
        part, found = "entity", _of_roster(feed, plan, changes)
    old, new = found
    rows: list[Row] = []
    for change in changes:
        key = change[part], change["key"]
        fields = [name for name in change["fields"].split(", ") if name]
        before, now = (_text(one.get(key, {}), fields) for one in (old, new))
        rows.append({**change, "before": before, "now": now})
    return rows


def _text(record: Row, fields: Sequence[str]) -> str:
    names = fields or [n for n in record if n[0] != "_" and n not in _UNSAID]
    kept = ((name, record.get(name)) for name in names if record)
    return "; ".join(
        f"{name}: {clean_text(str(value or ''))}"
        for name, value in kept
        if fields or value
    )


def _of_files(
    feed: TargetFeed, plan: StoredPlan, changes: Sequence[Row]
) -> tuple[Found, Found]:
    """Of the last delivery and of the export."""
    home = feed.project.home
    with state_database(feed.project).reading() as connection:
        last = last_verified(connection, feed.name, plan.destination)
    before = home / last.folder if last else None
    folders = (before, home / plan.folder)
    old, new = (_in_folder(folder, changes) for folder in folders)
    return old, new


def _in_folder(folder: Path | None, changes: Sequence[Row]) -> Found:
    found: dict[tuple[str, str], Row] = {}
    with closing(open_frames()) as duck:
        for name, keys in _keys(changes, "file"):
            path = folder / f"{name}.parquet" if folder else None
            if path is not None and path.is_file():
                rows = _rows(duck, "read_parquet($path)", "_key", keys, path=str(path))
                found |= {(name, row["_key"]): row for row in rows}
    return found


def _of_roster(
    feed: Feed, plan: StoredPlan, changes: Sequence[Row]
) -> tuple[Found, Found]:
    """Of the roster as it is, and of the staged one."""
    home = feed.project.home
    made = read_plan(home / plan.folder)
    source = record_source(
        home / "staged" / feed.name / made.staged,
        district=made.district,
        provider=made.provider,
        plan_folder=made.folder,
    )
    old: dict[tuple[str, str], Row] = {}
    new: dict[tuple[str, str], Row] = {}
    with closing(open_frames()) as duck:
        make_record_views(duck, source)
        for entity, keys in _keys(changes, "entity"):
            place, path = "read_parquet($path)", str(made.changes_file(entity))
            known = _rows(duck, place, "external_id", keys, path=path)
            key_of = {str(row["id"]): row["external_id"] for row in known}
            if entity in source.staged:
                rows = _rows(duck, f"record.{identifier(entity)}", "external_id", keys)
                new |= {(entity, row["external_id"]): row for row in rows}
            table = ENTITY_TABLES[entity]
            mine = sa.select(table).where(table.c.id.in_(list(key_of)))
            with state_database(feed.project).reading() as connection:
                for row in connection.execute(mine).mappings():
                    old[entity, key_of[str(row["id"])]] = dict(row)
    return old, new


def _keys(changes: Sequence[Row], part: str) -> Iterable[tuple[str, list[str]]]:
    for name in dict.fromkeys(change[part] for change in changes):
        yield name, [change["key"] for change in changes if change[part] == name]


def _rows(
    duck: duckdb.DuckDBPyConnection,
    place: str,
    column: str,
    keys: list[str],
    **more: Any,
) -> list[dict[str, Any]]:
    found = duck.execute(
        f"SELECT * FROM {place} WHERE list_contains($keys, {column})",
        {"keys": keys, **more},
    )
    names = [one[0] for one in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
