"""Reading a stored plan of a roster back for people: keys, counts, no values.

Called by `workflows/providers/provider_feed.py`; the same of an export is in
`targets/show.py`.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.planning.plan import RosterPlan
from d118_pipelines.roster.planning.plan_counts import SchoolCounts, scope

_COUNTS = (
    *("active", "fetched", "created", "updated", "reactivated", "deactivated"),
    *("unchanged", "withheld", "conflicts", "errors"),
)
_SCHOOL_COUNTS = ("active", "created", "updated", "reactivated", "leaving")


def changes_of(
    plan: RosterPlan,
    *,
    school: str | None = None,
    entity: str | None = None,
    limit: int | None = None,
) -> tuple[list[dict[str, Any]], int]:
    """The plan's changes, at most `limit`, and how many there are.

    Keys of a row: entity, action, key, reason, fields (names). school: its number or
    external id.
    """
    ids = [s.school_id for s in plan.schools if s.school == school]
    changes = [
        statement(
            "roster/plan.changes_of_entity",
            place=str(place),
            entity=name,
            file=str(file),
        )
        for place, name in enumerate(plan.entities if entity is None else [entity])
        if (file := plan.changes_file(name)).is_file()
    ]
    if not changes:
        return [], 0
    shown = statement("roster/plan.changes_shown", changes=" UNION ALL ".join(changes))
    values = {"all": school is None, "ids": ids, "limit": limit or 2**40}
    with closing(open_frames()) as duck:
        found = duck.execute(shown, values).fetchall()
    names = ("entity", "action", "key", "reason", "fields")
    rows = [dict(zip(names, row[:-1], strict=True)) for row in found]
    return rows, found[0][-1] if found else 0


def entity_rows(plan: RosterPlan) -> list[dict[str, Any]]:
    """Per entity and role group: its counts."""
    return [
        {"entity": name, **{column: counts.as_dict()[column] for column in _COUNTS}}
        for name, counts in plan.counts.items()
    ]


def changing_schools(
    plan: RosterPlan, *, school: str | None, entity: str | None
) -> list[SchoolCounts]:
    """The schools in which something changes."""
    return [
        one
        for one in plan.schools
        if school in (None, one.school)
        and entity in (None, one.entity)
        and (one.created or one.updated or one.reactivated or one.leaving)
    ]


def school_row(one: SchoolCounts) -> dict[str, Any]:
    """A school's counts as a line."""
    name = {"school": one.school, "entity": scope(one.entity, one.group)}
    return {**name, **{column: getattr(one, column) for column in _SCHOOL_COUNTS}}
