"""The roles of users: what may be wrong with them, and `roles_of_users`.

Called by `staging.py` once the keys of users are judged; the SQL is in
sql/roster/staged_roles.sql. Reads the lists that the mapping found, `raw_roles` and its
companions. Rule: docs/reference/staging.md, roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.model.entities import USER_ROLES
from d118_pipelines.roster.model.vocabulary import STANDARD_ROLES, WRITTEN_ROLES
from d118_pipelines.roster.staging.field_rules import is_shown, shown_word
from d118_pipelines.roster.staging.findings import Rule, judge_table
from d118_pipelines.roster.staging.transforms import BLANKS, choose, parse_date, words

if TYPE_CHECKING:
    import duckdb

_OF_ROLES = [
    # Those that may be shown are counted by `add_words`; CASE looks at the others alone.
    (
        Rule("row.bad_enum", "warn", "roles"),
        f"CASE WHEN role IS NULL THEN NOT coalesce({is_shown('word')}, false) END",
    ),
    (Rule("row.enum_case", "warn", "roles"), "word <> known"),
    (
        Rule("row.missing_required", "warn", "roles", "'a role without school'"),
        "role IS NOT NULL AND place IS NULL",
    ),
    (Rule("ref.orphan_element", "warn", "roles"), "is_orphan"),
    (
        Rule("row.bad_enum", "warn", "role_types"),
        "role_type NOT IN ('primary', 'secondary')",
    ),
    (
        Rule("row.bad_date", "warn", "roles"),
        "begin_text IS NOT NULL AND begin_date IS NULL "
        "OR end_text IS NOT NULL AND end_date IS NULL",
    ),
    (Rule("sem.date_order", "warn", "roles"), "end_date < begin_date"),
]
_OF_MERGED = [
    (Rule("rest.role_merged", "warn", "roles"), "times > 1"),
    (Rule("sem.multiple_primary_role", "warn", "roles"), "is_marked AND earlier > 0"),
]
_OF_USERS = [
    (Rule("row.bad_enum", "reject", "roles", "the_word"), "lost_word"),
    (Rule("ref.orphan", "reject", "roles"), "NOT lost_word AND lost_school"),
    (
        Rule("row.missing_required", "reject", "roles"),
        "NOT lost_word AND NOT lost_school",
    ),
]


def judge_roles(
    duck: duckdb.DuckDBPyConnection,
    *,
    role_map: Mapping[str, str],
    date_order: str | None,
    has_orgs: bool,
    mapping: str,
) -> None:
    """Make the roles of the accepted rows of `work.users`, report what is wrong.

    Out: `roles_of_users(n, roles, school, schools, has_student, has_staff)`.
    role_map: source word -> roster role; empty: the roster's own words.
    has_orgs: schools are looked up in `ok.orgs`. mapping: the file with the role_map.
    """
    roles_of = dict(role_map) or {role: role for role in USER_ROLES}
    known = {word.lower(): word for word in roles_of}
    duck.execute(_sql("prepare", blanks=BLANKS))
    sent = _sql(
        "roles",
        known=choose("lower(word)", known),
        role=choose("lower(word)", {low: roles_of[w] for low, w in known.items()}),
        has_orgs=str(has_orgs),
        begin_date=parse_date("begin_text", date_order).sql,
        end_date=parse_date("end_text", date_order).sql,
    )
    judge_table(duck, "users", "role_hits", sent, _OF_ROLES)
    add_words(duck, "users", "role_hits WHERE role IS NULL", "word", mapping)
    merged = _sql(
        "merged",
        standard=words(STANDARD_ROLES),
        written=choose("role", WRITTEN_ROLES, "role"),
    )
    judge_table(duck, "users", "merged_roles", merged, _OF_MERGED)
    duck.execute(f"CREATE OR REPLACE TABLE roles_of_users AS {_sql('gathered')}")
    rules = judge_table(
        duck,
        "users",
        "hits",
        _sql("without_roles", shown=shown_word("r.word")),
        _OF_USERS,
    )
    duck.execute(f"INSERT INTO out.users SELECT n, {rules.rejecting_code()} FROM hits")
    duck.execute("DROP TABLE role_hits; DROP TABLE merged_roles")


def add_words(
    duck: duckdb.DuckDBPyConnection, entity: str, rows: str, column: str, mapping: str
) -> None:
    """One finding for each unknown role word that may be shown, with the line to add."""
    where = {"entity": entity, "rows": rows, "word": column, "mapping": mapping}
    duck.execute(_sql("unknown_words", shown=is_shown(column), **where))


def _sql(name: str, **values: str) -> str:
    return statement(f"roster/staged_roles.{name}", **values)
