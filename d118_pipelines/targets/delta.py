"""A delta set: the changes against the last delivery, in place of everything.

Called by `build.py`; the changes are found by `plan.py`, lines written by `render.py`.
Rule: docs/reference/oneroster_export.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from d118_pipelines.kernel.sql_text import identifier, literal, statement
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.model import Delta, TargetFile
from d118_pipelines.targets.plan import before_name
from d118_pipelines.targets.render import line_sql
from d118_pipelines.targets.workbench import Workbench


def is_delta(target: Target, before: Mapping[str, set[str] | None]) -> bool:
    """Whether the set holds changes only.

    before: file -> the columns that were last delivered. A first set, and one with
    other columns or files than the last, is a full one.
    """
    delta = target.model.delta
    if delta is None or target.model.options.get(delta.option) != "delta":
        return False
    return all(
        {column.header for column in file.columns} <= (before[file.name] or set())
        for file in target.record_files
    )


def make_changes(
    target: Target,
    bench: Workbench,
    file: TargetFile,
    *,
    now: dt.datetime,
    delivered_at: dt.datetime,
) -> str:
    """Make the relation of the rows of a delta file; its name.

    Changed and new rows are active, with the time of their change where it came after
    the last delivery, else that of its detection; rows that are gone are tobedeleted
    with their last values.
    """
    delta = target.model.delta
    assert delta is not None
    name = f"_delta_{file.name}"
    seen = f"TIMESTAMP {literal(_utc(now))}"
    since = f"TIMESTAMP {literal(_utc(delivered_at))}"
    changed = f"if(_modified > {since}, _modified, {seen})"
    bench.connection.execute(
        statement(
            "targets/files.delta",
            name=name,
            line=line_sql(file, target.model.format),
            active=_row_sql(file, delta, "active", changed),
            gone=_row_sql(file, delta, "tobedeleted", seen),
            file=file.name,
            before=before_name(file),
        )
    )
    return name


def _row_sql(file: TargetFile, delta: Delta, status: str, modified: str) -> str:
    given = {
        delta.status: literal(status),
        delta.modified: f"strftime({modified}, '%Y-%m-%dT%H:%M:%S.%gZ')",
    }
    columns = [
        f"{given.get(c.header, identifier(c.header))} AS {identifier(c.header)}"
        for c in file.columns
    ]
    return ", ".join(["_record", "_key", "_identity", *columns])


def _utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
