"""The roles of users: words, schools, dates and which one is primary.

Reads the lists that the mapping found (`raw_roles` and its companions) and makes
`roles_of_users(n, roles, school, has_student, has_staff)`. A role is never guessed.
Rule: docs/reference/staging.md, roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from d118_pipelines.roster.model.entities import USER_ROLES
from d118_pipelines.roster.model.vocabulary import STANDARD_ROLES, WRITTEN_ROLES
from d118_pipelines.roster.staging.field_rules import shown_word
from d118_pipelines.roster.staging.findings import Rule, RuleSet, report
from d118_pipelines.roster.staging.transforms import BLANKS, choose, parse_date
from d118_pipelines.roster.staging.transforms import words as in_list

if TYPE_CHECKING:
    import duckdb

_NOBODY = ("student", "parent", "guardian", "relative")  # roles that are no staff
RULES = RuleSet("q")
_WORD = RULES.add(Rule("row.bad_enum", "warn", "roles", shown_word("word")))
_CASE = RULES.add(Rule("row.enum_case", "warn", "roles"))
_NO_SCHOOL = RULES.add(
    Rule("row.missing_required", "warn", "roles", "'a role without school'")
)
_ORPHAN = RULES.add(Rule("ref.orphan_element", "warn", "roles"))
_TYPE = RULES.add(Rule("row.bad_enum", "warn", "role_types"))
_DATE = RULES.add(Rule("row.bad_date", "warn", "roles"))
_ORDER = RULES.add(Rule("sem.date_order", "warn", "roles"))
_LOST = (_WORD, _NO_SCHOOL, _ORPHAN)
_MERGED = RuleSet("q")
_TWICE = _MERGED.add(Rule("rest.role_merged", "warn", "roles"))
_PRIMARIES = _MERGED.add(Rule("sem.multiple_primary_role", "warn", "roles"))
_ALL_LOST = RuleSet("q")
_ALL = {
    _ALL_LOST.add(Rule("row.bad_enum", "reject", "roles")): "lost_word",
    _ALL_LOST.add(Rule("ref.orphan", "reject", "roles")): (
        "NOT lost_word AND lost_school"
    ),
    _ALL_LOST.add(Rule("row.missing_required", "reject", "roles")): (
        "NOT lost_word AND NOT lost_school"
    ),
}


def judge_roles(
    duck: duckdb.DuckDBPyConnection,
    *,
    role_map: Mapping[str, str],
    date_order: str | None,
    has_orgs: bool,
) -> None:
    """Make the roles of the accepted rows of `work.users`, report what is wrong.

    role_map: source word -> roster role; empty: the roster's own words.
    has_orgs: schools are looked up in `ok.orgs`.
    """
    words = dict(role_map) or {role: role for role in USER_ROLES}
    duck.execute(f"CREATE OR REPLACE TABLE role_rows AS {_elements(words)}")
    judged = _judged(date_order, has_orgs)
    duck.execute(f"CREATE OR REPLACE TABLE role_hits AS {judged}")
    report(duck, "users", "role_hits", RULES)
    duck.execute(f"CREATE OR REPLACE TABLE merged_roles AS {_merged()}")
    report(duck, "users", "merged_roles", _MERGED)
    duck.execute(f"CREATE OR REPLACE TABLE roles_of_users AS {_gathered()}")
    duck.execute(f"CREATE OR REPLACE TABLE hits AS {_without_roles()}")
    report(duck, "users", "hits", _ALL_LOST)
    duck.execute(
        f"INSERT INTO out.users SELECT n, {_ALL_LOST.rejecting_code()} FROM hits"
    )
    for table in ("role_rows", "role_hits", "merged_roles"):
        duck.execute(f"DROP TABLE {table}")


def _elements(words: Mapping[str, str]) -> str:
    """One row per role as sent, with the roster's role and the word as it is spelled."""
    folded = {word.lower(): word for word in words}
    obj = "CASE WHEN starts_with(sent, '{') AND json_valid(sent) THEN sent END"

    def part(listed: str, *keys: str) -> str:
        found = ", ".join(f"json_extract_string({obj}, '$.{key}')" for key in keys)
        return f"nullif(trim(coalesce({found}, {listed}), {BLANKS}), '')"

    def element(name: str) -> str:
        shared = f"CASE WHEN len(raw_{name}) = 1 THEN raw_{name}[1] END"
        return f"coalesce(raw_{name}[i], {shared})"

    return f"""
        SELECT *, {choose("lower(word)", folded)} AS known,
            {choose(choose("lower(word)", folded), dict(words))} AS role
        FROM (
            SELECT n, i, external_id, source_file, source_line, own_school, status,
                {part("CASE WHEN sent NOT LIKE '{%' THEN sent END", "role", "source_role")}
                    AS word,
                {part(element("school_external_ids"), "school_external_id")} AS school,
                lower({part("raw_role_types[i]", "role_type")}) AS role_type,
                CAST(json_extract_string({obj}, '$.is_primary') AS BOOLEAN) AS is_primary,
                {part("raw_role_begin_dates[i]", "begin_date")} AS begin_text,
                {part("raw_role_end_dates[i]", "end_date")} AS end_text
            FROM (
                SELECT *, {element("roles")} AS sent FROM (
                    SELECT n, external_id, source_file, source_line, status,
                        primary_school_external_id AS own_school, raw_roles,
                        raw_role_types, raw_school_external_ids, raw_role_begin_dates,
                        raw_role_end_dates, unnest(generate_series(1, greatest(
                            len(raw_roles), coalesce(len(raw_school_external_ids), 0))))
                            AS i
                    FROM work.users
                    WHERE len(raw_roles) > 0 AND n NOT IN (SELECT n FROM out.users))))"""


def _judged(date_order: str | None, has_orgs: bool) -> str:
    begin = parse_date("begin_text", date_order)
    end = parse_date("end_text", date_order)
    lost = (
        "begin_text IS NOT NULL AND begin_date IS NULL "
        "OR end_text IS NOT NULL AND end_date IS NULL"
    )
    conditions = {
        _WORD: "role IS NULL",
        _CASE: "word <> known",
        _NO_SCHOOL: "role IS NOT NULL AND place IS NULL",
        _ORPHAN: "role IS NOT NULL AND place IS NOT NULL AND kind IS NULL"
        if has_orgs
        else "false",
        _TYPE: "role_type NOT IN ('primary', 'secondary')",
        _DATE: lost,
        _ORDER: "end_date < begin_date",
    }
    if has_orgs:
        kind = "CASE WHEN o.external_id IS NOT NULL THEN coalesce(o.kind, '') END"
        join = "LEFT JOIN ok.orgs o ON o.external_id = place"
        district = (
            "(SELECT CASE WHEN count(*) = 1 THEN min(external_id) END FROM ok.orgs "
            "WHERE kind = 'district')"
        )
    else:
        kind, join, district = "CAST(NULL AS VARCHAR)", "", "CAST(NULL AS VARCHAR)"
    return f"""
        SELECT *, {", ".join(RULES.masks(conditions))} FROM (
            SELECT r.*, {kind} AS kind, {begin.sql} AS begin_date, {end.sql} AS end_date
            FROM (SELECT *, coalesce(school, own_school, {district}) AS place
                FROM role_rows) r {join})"""


def _merged() -> str:
    """One row per user, school and word; `administrator` by the kind of its org."""
    lost = " OR ".join(RULES.broken(number) for number in _LOST)
    of_district = "known = 'administrator' AND kind = 'district'"
    primary = "coalesce(is_primary, CASE role_type WHEN 'primary' THEN true WHEN 'secondary' THEN false END)"
    standard = (
        f"CASE WHEN known IN {in_list(STANDARD_ROLES)} OR starts_with(known, 'ext:') "
        f"THEN known ELSE {choose('role', WRITTEN_ROLES, 'role')} END"
    )
    conditions = {_TWICE: "times > 1", _PRIMARIES: "is_primary AND earlier > 0"}
    return f"""
        SELECT * EXCLUDE (is_primary), {", ".join(_MERGED.masks(conditions))},
            is_primary AND earlier = 0 AS is_primary
        FROM (
            SELECT *, coalesce(count_if(is_primary) OVER (PARTITION BY n, place
                ORDER BY source_role
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
                AS earlier
            FROM (
                SELECT * EXCLUDE (is_primary),
                    coalesce(is_primary, count(*) OVER (PARTITION BY n, place) = 1)
                        AS is_primary
                FROM (
                    SELECT n, place, source_role, any_value(role) AS role,
                        any_value(external_id) AS external_id,
                        any_value(source_file) AS source_file,
                        any_value(source_line) AS source_line, count(*) AS times,
                        bool_or({primary}) AS is_primary,
                        CASE WHEN bool_or(begin_date IS NULL) THEN NULL
                            ELSE min(begin_date) END AS begin_date,
                        CASE WHEN bool_or(end_date IS NULL) THEN NULL
                            ELSE max(end_date) END AS end_date,
                        min(i) AS i
                    FROM (
                        SELECT * EXCLUDE (role),
                            CASE WHEN {of_district} THEN 'districtAdministrator'
                                WHEN known = 'administrator' THEN 'siteAdministrator'
                                ELSE {standard} END AS source_role,
                            CASE WHEN {of_district} THEN 'district_admin' ELSE role END
                                AS role
                        FROM role_hits WHERE NOT ({lost}))
                    GROUP BY n, place, source_role)))"""


def _gathered() -> str:
    nobody = ", ".join(f"'{role}'" for role in _NOBODY)
    made = (
        "CAST(json_object('school_external_id', place, 'role', role, 'source_role', "
        "source_role, 'is_primary', is_primary, 'begin_date', begin_date, "
        "'end_date', end_date) AS VARCHAR)"
    )
    return f"""
        SELECT n, '[' || string_agg({made}, ',' ORDER BY place, source_role) || ']'
                AS roles,
            coalesce(arg_min(place, i) FILTER (is_primary), arg_min(place, i)) AS school,
            list(place) AS schools,
            bool_or(role = 'student') AS has_student,
            bool_or(role NOT IN ({nobody})) AS has_staff
        FROM merged_roles GROUP BY n"""


def _without_roles() -> str:
    """Live users without any role: why, as mask columns."""
    masks = ", ".join(_ALL_LOST.masks(_ALL))
    return f"""
        SELECT *, {masks} FROM (
            SELECT w.n, w.external_id, w.source_file, w.source_line,
                coalesce(bool_or({RULES.broken(_WORD)}), false) AS lost_word,
                coalesce(bool_or({RULES.broken(_ORPHAN)}), false) AS lost_school
            FROM work.users w LEFT JOIN role_hits r ON r.n = w.n
            WHERE w.n NOT IN (SELECT n FROM roles_of_users)
                AND w.n NOT IN (SELECT n FROM out.users)
                AND w.inactive_reason IS DISTINCT FROM 'tobedeleted'
            GROUP BY ALL)"""
