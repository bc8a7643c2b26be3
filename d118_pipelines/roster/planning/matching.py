"""Who is who: the record that each staged school and person belongs to.

Called by `plan.py`; evidence and decisions are in sql/roster/matching.sql. It reads the
staged frames, `base.orgs`, `base.users`, `base.links` and `base.resolutions`.
Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.planning.record_views import (
    ROLE_GROUP,
    RecordSource,
    record_id_sql,
)

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


def match_all(
    duck: duckdb.DuckDBPyConnection, source: RecordSource, matching: Matching
) -> None:
    """Make `match.found`: entity, external_id, internal_id, rule, conflict.

    Has every staged org and user, and the provider's links of those that are not
    staged, so that references to them lead somewhere. internal_id: of the record, also
    of one that is to be created; null where a conflict leaves none. rule: external_id,
    created, what joined a row to a record that this provider did not know before
    (email, student_number, state_id, nces_id, sis_id, district, resolved), or what a
    conflict is about. conflict: a type, else null.
    """
    duck.execute(statement("roster/matching.prepare", provider=source.provider))
    if "orgs" in source.staged:
        _decide(duck, source, "orgs", "schools")
    if "users" in source.staged:
        _decide(
            duck,
            source,
            "users",
            "people",
            by_email=str(matching.email),
            by_number=str(matching.student_number),
            creates=str(matching.create),
            role_group=ROLE_GROUP,
        )
    duck.execute(statement("roster/matching.found"))


def _decide(
    duck: duckdb.DuckDBPyConnection,
    source: RecordSource,
    entity: str,
    name: str,
    **values: str,
) -> None:
    """Make `match.<entity>` of one entity's staged rows."""
    new_id = record_id_sql(source.district, source.provider, entity, "p.external_id")
    staged = source.staged[entity]
    duck.execute(
        statement(f"roster/matching.{name}", staged=staged, new_id=new_id, **values)
    )
    duck.execute(statement("roster/matching.settle", entity=entity))
