"""The numbers of a plan: per entity, per role group, per school.

Belongs here: counting what the comparison found. Not here: limits (`guard.py`).
Two identities hold for every entity: fetched = created + updated + unchanged +
reactivated + retired + conflicts + errors; and the district's active records change by
created + reactivated - deactivated. Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.planning.comparison import Comparison, group_sql
from d118_pipelines.roster.planning.record_views import MATCHED

if TYPE_CHECKING:
    import duckdb

# Entities whose records lie in a school, for the limits per school.
IN_SCHOOLS = ("classes", "users", "enrollments")
_ROSTERED = ("created", "updated", "reactivated", "retired", "conflicts")


@dataclass(slots=True)
class Counts:
    """Counts of one entity or of one role group of it.

    active: records of this provider that are active before. linked, unlinked: only the
    provider's link changes; those that were fetched stand in unchanged or updated as
    well. absent_once: not sent for the first time, nothing happens yet. churned: gone
    and new at once, with the same natural key. duplicates: of the errors, rows that only
    repeated another one.
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
        """Records that turn inactive."""
        return self.retired + self.missing

    @property
    def leaving(self) -> int:
        """Records that this provider no longer reports, whoever else does."""
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

    school: its number, else its external id. active: before. leaving: turn inactive, or
    are there no longer, be it by a transfer.
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
    duck, staged = compared.duck, compared.source.staged[entity]
    found: dict[str, Counts] = defaultdict(Counts)
    found[entity].errors = _one(
        duck, f"SELECT count(*) FROM {compared.rejected} WHERE entity = '{entity}'"
    )
    found[entity].duplicates = duplicates
    found[entity].errors += duplicates
    for name, number, groups in [
        ("fetched", *_grouped(duck, group_sql(entity), staged)),
        ("active", *_grouped(duck, *_active(compared, entity))),
    ]:
        setattr(found[entity], name, number)
        for group, count in groups.items():
            setattr(found[scope(entity, group)], name, count)
    for outcome, role, count in _outcomes(duck, entity):
        for each in {entity, scope(entity, role)}:
            setattr(found[each], outcome, getattr(found[each], outcome) + count)
    for counts in found.values():
        changed = sum(getattr(counts, name) for name in _ROSTERED)
        counts.unchanged = max(counts.fetched - changed, 0)
        counts.fetched = changed + counts.unchanged + counts.errors
    found[entity].churned = churned(compared, entity)
    return dict(found)


def _one(duck: duckdb.DuckDBPyConnection, sql: str) -> int:
    [[value]] = duck.execute(sql).fetchall()
    return int(value)


def _grouped(
    duck: duckdb.DuckDBPyConnection, group: str, relation: str
) -> tuple[int, dict[str, int]]:
    rows = duck.execute(
        f"SELECT {group}, count(*) FROM {relation} GROUP BY ALL"
    ).fetchall()
    groups = {str(name): int(count) for name, count in rows if name is not None}
    return sum(count for _, count in rows), groups


def _active(compared: Comparison, entity: str) -> tuple[str, str]:
    """Group expression and relation of the provider's active records."""
    if entity not in MATCHED:
        group = "role" if entity == "enrollments" else "NULL"
        return group, f"base.{entity} WHERE status = 'active'"
    group = "role_group" if entity == "users" else "NULL"
    return group, (
        f"base.{entity} WHERE status = 'active' AND id IN (SELECT internal_id FROM "
        f"base.links WHERE entity = '{entity}' AND active AND provider_id = "
        f"{literal(compared.source.provider)})"
    )


# One row can count twice: a link that also changes the record's values.
OUTCOMES = """
SELECT CASE action WHEN 'create' THEN 'created' WHEN 'update' THEN 'updated'
    WHEN 'reactivate' THEN 'reactivated' WHEN 'conflict' THEN 'conflicts'
    WHEN 'link' THEN 'linked' WHEN 'unlink' THEN 'unlinked'
    WHEN 'deactivate' THEN if(reason = 'missing', 'missing', 'retired')
    ELSE action END AS outcome, * FROM changes.{entity}
UNION ALL
SELECT 'updated', * FROM changes.{entity}
WHERE action = 'link' AND NOT keeps_fields AND row_hash IS DISTINCT FROM old_hash"""


def _outcomes(
    duck: duckdb.DuckDBPyConnection, entity: str
) -> list[tuple[str, str | None, int]]:
    return duck.execute(
        "SELECT outcome, group_name, count(*) "
        f"FROM ({OUTCOMES.format(entity=entity)}) GROUP BY ALL"
    ).fetchall()


# Natural keys of a record `x`, by entity: how a record is recognised under another id.
_NATURAL = {
    "orgs": "coalesce('s' || nullif(x.state_id, ''), 'n' || lower(x.name))",
    "users": "coalesce('n' || nullif(x.student_number, ''), "
    "'s' || nullif(x.staff_id, ''), 'e' || nullif(lower(trim(x.email)), ''))",
    "courses": "x.school_id || '|' || x.course_code",
    "classes": "concat_ws('|', x.school_id, c.course_code, x.section_number, "
    "list_sort(list_transform(json_extract_string(x.term_ids, '$[*]'), "
    "lambda t: coalesce(names.of[t], t))))",
}


def churned(compared: Comparison, entity: str) -> int:
    """How many records go while one with the same natural key comes."""
    if entity not in _NATURAL:
        return 0
    duck = compared.duck
    actions = "('deactivate', 'unlink')"
    if not _one(
        duck, f"SELECT count(*) FROM changes.{entity} WHERE action IN {actions}"
    ):
        return 0
    key = "id" if entity in MATCHED else "external_id"
    old = _with_parts(duck, entity, f"base.{entity}", "base")
    new = _with_parts(duck, entity, f"record.{entity}", "record")
    return _one(
        duck,
        f"WITH gone AS (SELECT {_NATURAL[entity]} AS key FROM {old} WHERE x.{key} IN "
        f"(SELECT {key} FROM changes.{entity} WHERE action IN {actions})), "
        f"come AS (SELECT {_NATURAL[entity]} AS key FROM {new} WHERE x.external_id IN "
        f"(SELECT external_id FROM changes.{entity} WHERE action = 'create')) "
        "SELECT count(*) FROM gone WHERE key IN (SELECT key FROM come)",
    )


def _with_parts(
    duck: duckdb.DuckDBPyConnection, entity: str, relation: str, schema: str
) -> str:
    """The relation `x`; for classes with their course `c` and the names of terms."""
    if entity != "classes":
        return f"{relation} AS x"
    have = {
        name
        for (name,) in duck.execute(
            f"SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = '{schema}'"
        ).fetchall()
    }
    courses = f"{schema if 'courses' in have else 'base'}.courses"
    terms = f"{schema if 'terms' in have else 'base'}.terms"
    return (
        f"{relation} AS x LEFT JOIN {courses} AS c ON c.id = x.course_id CROSS JOIN "
        f"(SELECT map(list(id), list(name)) AS of FROM {terms}) AS names"
    )


def count_schools(compared: Comparison, entities: Iterable[str]) -> list[SchoolCounts]:
    """Counts of every school that has or gets records of an entity in a school."""
    found: list[SchoolCounts] = []
    for entity in IN_SCHOOLS:
        if entity in entities:
            found += _schools_of(compared, entity)
    return found


def _schools_of(compared: Comparison, entity: str) -> list[SchoolCounts]:
    active, leaving = (_in_schools if entity != "users" else _people)(compared, entity)
    names = ["created", "updated", "reactivated", "retired", "missing", "withheld"]
    names.append("conflicts")
    sums = ", ".join(f"count(*) FILTER (outcome = '{n}') AS {n}" for n in names)
    shown = ", ".join(f"coalesce(o.{n}, 0) AS {n}" for n in names)
    rows = compared.duck.execute(
        f"WITH a AS ({active}), l AS ({leaving}), o AS (SELECT school_id, group_name, "
        f"{sums} FROM ({OUTCOMES.format(entity=entity)}) GROUP BY ALL), "
        "k AS (SELECT school_id, group_name FROM a UNION SELECT school_id, group_name "
        "FROM l UNION SELECT school_id, group_name FROM o) "
        "SELECT k.group_name, k.school_id, coalesce(s.school, k.school_id), "
        f"coalesce(a.n, 0), coalesce(l.n, 0), {shown} FROM k "
        + " ".join(
            f"LEFT JOIN {t} ON {t}.school_id = k.school_id "
            f"AND {t}.group_name IS NOT DISTINCT FROM k.group_name"
            for t in ("a", "l", "o")
        )
        + " LEFT JOIN (SELECT id, coalesce(nullif(sis_id, ''), external_id) AS school "
        f"FROM {_orgs(compared.duck)}) AS s ON s.id = k.school_id "
        "WHERE k.school_id IS NOT NULL ORDER BY k.group_name, k.school_id"
    ).fetchall()
    return [SchoolCounts(entity, *row) for row in rows]


def _orgs(duck: duckdb.DuckDBPyConnection) -> str:
    """The schools of the roster, and those that this plan adds where it has any."""
    found = duck.execute(
        "SELECT count(*) FROM information_schema.tables "
        "WHERE table_schema = 'record' AND table_name = 'orgs'"
    ).fetchall()
    added = (
        " UNION ALL SELECT id, sis_id, external_id FROM record.orgs "
        "WHERE id NOT IN (SELECT id FROM base.orgs)"
    )
    return (
        f"(SELECT id, sis_id, external_id FROM base.orgs{added if found[0][0] else ''})"
    )


def _in_schools(compared: Comparison, entity: str) -> tuple[str, str]:
    """Active and leaving records by school: classes, enrollments."""
    group = "b.role" if entity == "enrollments" else "NULL::VARCHAR"
    return (
        f"SELECT b.school_id, {group} AS group_name, count(*) AS n "
        f"FROM base.{entity} AS b WHERE b.status = 'active' GROUP BY ALL",
        f"SELECT b.school_id, {group} AS group_name, count(*) AS n "
        f"FROM changes.{entity} AS c JOIN base.{entity} AS b USING (external_id) "
        "WHERE c.action = 'deactivate' OR c.action = 'update' "
        "AND c.school_id IS DISTINCT FROM b.school_id GROUP BY ALL",
    )


def _people(compared: Comparison, entity: str) -> tuple[str, str]:
    """Active and leaving people by school: whoever has a role there counts once."""
    _, relation = _active(compared, entity)
    roles = (
        "SELECT DISTINCT u.id, u.role_group AS group_name, r.school_id FROM "
        f"(SELECT * FROM {relation}) AS u "
        "JOIN base.user_roles AS r ON r.user_id = u.id"
    )
    kept = (
        "SELECT id, unnest(json_extract_string(roles, '$[*].school_id')) AS school_id "
        "FROM record.users WHERE external_id IN (SELECT external_id FROM changes.users "
        "WHERE list_contains(fields, 'roles'))"
    )
    total = "SELECT school_id, group_name, count(*) AS n FROM"
    return (
        f"{total} ({roles}) GROUP BY ALL",
        f"{total} ({roles}) AS r WHERE id IN (SELECT id FROM changes.users WHERE "
        "action IN ('deactivate', 'unlink')) OR id IN (SELECT id FROM changes.users "
        "WHERE list_contains(fields, 'roles')) AND NOT EXISTS (SELECT 1 FROM "
        f"({kept}) AS k WHERE k.id = r.id AND k.school_id = r.school_id) GROUP BY ALL",
    )


def counts_json(counts: Mapping[str, Counts]) -> dict[str, Any]:
    """Scope -> counts, as `plan.json` has them."""
    return {name: value.as_dict() for name, value in sorted(counts.items())}
