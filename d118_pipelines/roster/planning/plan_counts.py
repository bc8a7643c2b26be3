"""The numbers of a plan: per entity, per role group, per school.

Called by `plan.py`; the SQL is in sql/roster/plan_counts.sql. For every entity fetched
= created + updated + unchanged + reactivated + retired + conflicts + errors, and the
active records change by created + reactivated - deactivated. Rule:
docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from d118_pipelines.kernel.frames import count_of
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.planning.comparison import (
    Comparison,
    group_sql,
    old_group_sql,
)
from d118_pipelines.roster.planning.record_views import MATCHED

# Entities whose records lie in a school, for the limits per school.
IN_SCHOOLS = ("classes", "users", "enrollments")
# Entities whose records are recognised under another id.
_RECOGNISED = ("orgs", "users", "courses", "classes")
_ROSTERED = ("created", "updated", "reactivated", "retired", "conflicts")


@dataclass(slots=True)
class Counts:
    """Counts of one entity or of one role group of it.

    active: records of this provider that are active before. linked, unlinked: only the
    provider's link changes; those that were fetched count as unchanged or updated as
    well. absent_once: not sent for the first time, nothing happens yet. churned: gone
    and new at once, with the same natural key. duplicates: of the errors, rows that
    only repeated another one.
    """

    active: int = 0
    fetched: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    reactivated: int = 0
    retired: int = 0
    missing: int = 0
    withheld: int = 0
    conflicts: int = 0
    errors: int = 0
    linked: int = 0
    unlinked: int = 0
    absent_once: int = 0
    churned: int = 0
    duplicates: int = 0

    @property
    def deactivated(self) -> int:
        """Records that become inactive."""
        return self.retired + self.missing

    @property
    def leaving(self) -> int:
        """Records that this provider no longer reports, even if others do."""
        return self.deactivated + self.unlinked

    def as_dict(self) -> dict[str, int]:
        """All counts, `deactivated` among them."""
        return {**asdict(self), "deactivated": self.deactivated}

    @classmethod
    def from_dict(cls, values: Mapping[str, int]) -> Counts:
        """What `as_dict` made."""
        return cls(**{k: v for k, v in values.items() if k != "deactivated"})


@dataclass(frozen=True, slots=True)
class SchoolCounts:
    """One school's share of one entity, or of one role group of it.

    school: its number, else its external id. active: before. leaving: become inactive,
    or are there no longer, be it by a transfer.
    """

    entity: str
    group: str | None
    school_id: str
    school: str
    active: int
    leaving: int
    created: int
    updated: int
    reactivated: int
    retired: int
    missing: int
    withheld: int
    conflicts: int


def scope(entity: str, group: str | None) -> str:
    """The name of an entity or of a role group of it: `users`, `users/students`."""
    return f"{entity}/{group}" if group else entity


def count_entity(
    compared: Comparison, entity: str, *, duplicates: int = 0
) -> dict[str, Counts]:
    """Scope -> counts, of the entity and of each of its role groups.

    duplicates: rows that staging dropped because they repeated another one.
    """
    found: dict[str, Counts] = defaultdict(Counts)
    counted = _sql(
        "counts",
        entity=entity,
        staged=compared.source.staged[entity],
        active=_active(compared, entity),
        outcomes=_sql("outcomes", entity=entity),
        rejected=compared.rejected,
        role_group=group_sql(entity),
        old_group=old_group_sql(entity),
    )
    for name, group, number in compared.duck.execute(counted).fetchall():
        for each in {entity, scope(entity, group)}:
            setattr(found[each], name, getattr(found[each], name) + number)
    found[entity].duplicates = duplicates
    found[entity].errors += duplicates
    for counts in found.values():
        changed = sum(getattr(counts, name) for name in _ROSTERED)
        counts.unchanged = max(counts.fetched - changed, 0)
        counts.fetched = changed + counts.unchanged + counts.errors
    found[entity].churned = _churned(compared, entity)
    return dict(found)


def _sql(name: str, **values: str) -> str:
    return statement(f"roster/plan_counts.{name}", **values)


def _active(compared: Comparison, entity: str) -> str:
    """SELECT of the provider's active records."""
    if entity not in MATCHED:
        return _sql("active_owned", entity=entity)
    return _sql("active_matched", entity=entity, provider=compared.source.provider)


def _churned(compared: Comparison, entity: str) -> int:
    """How many records leave while one with the same natural key arrives."""
    gone = f"changes.{entity} WHERE action IN ('deactivate', 'unlink')"
    if entity not in _RECOGNISED or not count_of(compared.duck, gone):
        return 0
    rows = _sql(
        "churned",
        entity=entity,
        key="id" if entity in MATCHED else "external_id",
        natural=_sql(f"natural_{entity}"),
        old=_with_parts(compared, entity, "base"),
        new=_with_parts(compared, entity, "record"),
    )
    return count_of(compared.duck, rows)


def _with_parts(compared: Comparison, entity: str, schema: str) -> str:
    """The relation `x`; for classes with their course `c` and the names of terms."""
    if entity != "classes":
        return f"{schema}.{entity} AS x"
    return _sql(
        "classes_with_parts",
        relation=f"{schema}.classes",
        courses=_newest(compared, "courses", schema),
        terms=_newest(compared, "terms", schema),
    )


def _newest(compared: Comparison, entity: str, schema: str = "record") -> str:
    """The entity in that schema, else in the baseline: it may not be staged."""
    there = entity in compared.source.staged
    return f"{schema if there else 'base'}.{entity}"


def count_schools(
    compared: Comparison, entities: Collection[str]
) -> list[SchoolCounts]:
    """Counts of every school that has or gets records of an entity in a school."""
    found: list[SchoolCounts] = []
    for entity in IN_SCHOOLS:
        if entity in entities:
            found += _schools_of(compared, entity)
    return found


def _schools_of(compared: Comparison, entity: str) -> list[SchoolCounts]:
    if entity == "users":
        there = _sql("people_in_schools", active=_active(compared, entity))
    else:
        there = _sql("in_schools", entity=entity, old_group=old_group_sql(entity))
    compared.duck.execute(there)
    rows = compared.duck.execute(
        _sql(
            "schools",
            outcomes=_sql("outcomes", entity=entity),
            new_orgs=_newest(compared, "orgs"),
        )
    ).fetchall()
    return [SchoolCounts(entity, *row) for row in rows]
