"""Who is who: the record that each staged user belongs to, decided for all at once.

Belongs here: the four steps for people, the conflicts between them, what a person has
resolved. Not here: schools and districts (`school_matching.py`), changes (`plan.py`).
Relations in: a staged frame, `base.users`, `base.links`, `base.resolutions`. Relation
out: `match.users`. Never a guess: ambiguous or conflicting evidence is a conflict.
Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.planning.claims import (
    choice,
    email_key,
    ensure_resolutions,
    first_of,
    name_key,
    resolutions_sql,
    settle,
    text_key,
)
from d118_pipelines.roster.planning.record_views import (
    RecordSource,
    record_id_sql,
    role_group_sql,
    roles_sql,
)
from d118_pipelines.roster.planning.school_matching import match_orgs

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.config.providers import Matching

# Type of a conflict -> how much it matters.
SEVERITIES = {
    "EMAIL_MISMATCH": "HIGH",
    "DUPLICATE_EMAIL": "MEDIUM",
    "NAME_MISMATCH": "MEDIUM",
    "ROLE_CONFLICT": "HIGH",
    "ORPHANED_MAPPING": "CRITICAL",
    "MERGE_CANDIDATE": "MEDIUM",
    "UNRESOLVED_REFERENCE": "MEDIUM",
}
# Rules that join a staged row to a record which this provider did not know before.
LINK_RULES = (
    "email",
    "student_number",
    "state_id",
    "nces_id",
    "sis_id",
    "district",
    "resolved",
)


def match_all(
    duck: duckdb.DuckDBPyConnection, source: RecordSource, matching: Matching
) -> None:
    """Make `match.found`: entity, external_id, internal_id, rule, conflict.

    Has every staged org and user, and the provider's links of those that are not staged,
    so that references to them lead somewhere. internal_id: of the record, also of one
    that is to be created; null where a conflict leaves none. rule: external_id, one of
    LINK_RULES, created, or what a conflict is about. conflict: a type, else null.
    """
    duck.execute("CREATE SCHEMA IF NOT EXISTS match")
    duck.execute("CREATE SCHEMA IF NOT EXISTS base")
    ensure_resolutions(duck)
    parts = []
    if "orgs" in source.staged:
        match_orgs(duck, source)
        parts.append("SELECT 'orgs' AS entity, * FROM match.orgs")
    if "users" in source.staged:
        match_users(duck, source, matching)
        parts.append("SELECT 'users' AS entity, * FROM match.users")
    known = " UNION ALL ".join(
        [*parts, "SELECT '', NULL, NULL, NULL, NULL WHERE false"]
    )
    duck.execute(
        f"CREATE OR REPLACE TABLE match.found AS WITH known AS ({known}) "
        "SELECT * FROM known UNION ALL SELECT entity, external_id, internal_id, "
        "'external_id', NULL FROM base.links AS l "
        f"WHERE provider_id = {literal(source.provider)} AND NOT EXISTS (SELECT 1 "
        "FROM known AS k WHERE k.entity = l.entity AND k.external_id = l.external_id)"
    )


def match_users(
    duck: duckdb.DuckDBPyConnection, source: RecordSource, matching: Matching
) -> None:
    """Make `match.users`: external_id, internal_id, rule, conflict."""
    _prepare(duck, source, matching)
    new_id = record_id_sql(source.district, source.provider, "users", "e.external_id")
    create = choice("NULL", "created")
    if not matching.create:
        create = choice("NULL", "no_match", "MERGE_CANDIDATE")
    duck.execute(
        "CREATE OR REPLACE TABLE match.decided_users AS "
        f"SELECT e.external_id, {new_id} AS new_id, {_decision(create)} AS decision "
        "FROM match.evidence AS e"
    )
    settle(duck, "users")


def _prepare(
    duck: duckdb.DuckDBPyConnection, source: RecordSource, matching: Matching
) -> None:
    """The staged people, the users that this provider does not know, the evidence."""
    group = role_group_sql(roles_sql("roles"))
    duck.execute(
        "CREATE OR REPLACE TABLE match.people AS SELECT external_id, status, "
        f"{email_key('email') if matching.email else 'NULL::VARCHAR'} AS email, "
        f"{text_key('student_number') if matching.student_number else 'NULL::VARCHAR'} "
        f"AS student_number, {name_key('last_name')} AS last_name, "
        f"({group}) = 'students' AS is_student FROM {source.staged['users']}"
    )
    duck.execute(
        "CREATE OR REPLACE TABLE match.unlinked AS SELECT id, "
        f"{email_key('email')} AS email, {text_key('student_number')} AS student_number, "
        f"{name_key('last_name')} AS last_name, role_group = 'students' AS is_student "
        "FROM base.users WHERE id NOT IN (SELECT internal_id FROM base.links WHERE "
        f"entity = 'users' AND provider_id = {literal(source.provider)})"
    )
    duck.execute(_evidence(source))


def _evidence(source: RecordSource) -> str:
    """One row per staged person with all that speaks for one record or another."""
    det = record_id_sql(source.district, source.provider, "users", "p.external_id")
    return f"""
CREATE OR REPLACE TABLE match.evidence AS
WITH by_email AS (
  SELECT email, count(*) AS users, min(id) AS id FROM match.unlinked
  WHERE email IS NOT NULL GROUP BY email),
by_number AS (
  SELECT student_number, count(*) AS users, min(id) AS id FROM match.unlinked
  WHERE student_number IS NOT NULL AND is_student GROUP BY student_number),
emails AS (SELECT email, count(*) AS rows FROM match.people GROUP BY email),
numbers AS (
  SELECT student_number, count(*) AS rows FROM match.people
  WHERE is_student GROUP BY student_number),
own AS (
  SELECT external_id, internal_id FROM base.links
  WHERE entity = 'users' AND provider_id = {literal(source.provider)}),
settled AS ({resolutions_sql("users")})
SELECT p.*, coalesce(l.internal_id, made.id) AS linked_id,
  linked.id IS NOT NULL AS is_linked_there,
  linked.role_group = 'students' AS linked_is_student,
  d.resolution, target.id AS resolved_id,
  be.users AS email_users, be.id AS email_id, em.rows AS email_rows,
  ue.is_student AS email_is_student, ue.last_name AS email_last_name,
  ue.student_number AS email_number,
  bn.users AS number_users, bn.id AS number_id, nu.rows AS number_rows,
  un.last_name AS number_last_name
FROM match.people AS p
LEFT JOIN own AS l ON l.external_id = p.external_id
LEFT JOIN base.users AS made
  ON made.id = CASE WHEN l.external_id IS NULL THEN {det} END
LEFT JOIN base.users AS linked ON linked.id = coalesce(l.internal_id, made.id)
LEFT JOIN settled AS d ON d.external_id = p.external_id
LEFT JOIN base.users AS target
  ON d.resolution = 'RESOLVED_MERGED' AND target.id = d.internal_id
LEFT JOIN by_email AS be ON be.email = p.email
LEFT JOIN emails AS em ON em.email = p.email
LEFT JOIN match.unlinked AS ue ON ue.id = be.id
LEFT JOIN by_number AS bn ON p.is_student AND bn.student_number = p.student_number
LEFT JOIN numbers AS nu ON nu.student_number = p.student_number
LEFT JOIN match.unlinked AS un ON un.id = bn.id"""


def _decision(create: str) -> str:
    """SQL for [internal id, rule, conflict] of one person, the first case that holds."""

    cases = [
        ("resolved_id = linked_id", choice("linked_id", "external_id")),
        ("resolved_id IS NOT NULL", choice("resolved_id", "resolved")),
        (
            "linked_id IS NOT NULL AND is_linked_there AND status = 'active' "
            "AND is_student <> linked_is_student",
            choice("linked_id", "external_id", "ROLE_CONFLICT"),
        ),
        (
            "linked_id IS NOT NULL AND is_linked_there",
            choice("linked_id", "external_id"),
        ),
        ("resolution = 'RESOLVED_KEPT_SEPARATE'", choice("NULL", "created")),
        (
            "linked_id IS NOT NULL",
            choice("NULL", "external_id", "ORPHANED_MAPPING"),
        ),
        # Gone before it was ever known: nothing to look for.
        ("status <> 'active'", choice("NULL", "created")),
        (
            "email_users > 1 OR (email_users = 1 AND email_rows > 1)",
            choice("NULL", "email", "DUPLICATE_EMAIL"),
        ),
        (
            "email_users = 1 AND is_student <> email_is_student",
            choice("NULL", "email", "ROLE_CONFLICT"),
        ),
        (
            "email_users = 1 AND (number_users > 0 AND number_id <> email_id "
            "OR is_student AND student_number <> email_number)",
            choice("NULL", "email", "EMAIL_MISMATCH"),
        ),
        (
            "email_users = 1 AND last_name <> email_last_name",
            choice("NULL", "email", "NAME_MISMATCH"),
        ),
        ("email_users = 1", choice("email_id", "email")),
        # A number alone decides only where there is no e-mail to ask.
        (
            "number_users > 0 AND (email IS NOT NULL OR number_users > 1 "
            "OR number_rows > 1)",
            choice("NULL", "student_number", "MERGE_CANDIDATE"),
        ),
        (
            "number_users = 1 AND last_name <> number_last_name",
            choice("NULL", "student_number", "NAME_MISMATCH"),
        ),
        ("number_users = 1", choice("number_id", "student_number")),
    ]
    return first_of(cases, create)
