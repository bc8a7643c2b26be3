"""Which school is which: the record that each staged school or district belongs to.

Belongs here: linking by the numbers that schools carry. Not here: people
(`matching.py`). A school that the roster seems to have, but that no number names
without doubt, is a conflict, and the guard holds the plan.
Relations in: a staged frame, `base.orgs`, `base.links`, `base.resolutions`. Relation
out: `match.orgs`. Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.planning.claims import (
    choice,
    first_of,
    name_key,
    resolutions_sql,
    settle,
    text_key,
)
from d118_pipelines.roster.planning.record_views import RecordSource, record_id_sql

if TYPE_CHECKING:
    import duckdb

# In this order the first that both sides have decides.
NUMBERS = ("state_id", "nces_id", "sis_id")


def match_orgs(duck: duckdb.DuckDBPyConnection, source: RecordSource) -> None:
    """Make `match.orgs`: external_id, internal_id, rule, conflict."""
    new_id = record_id_sql(source.district, source.provider, "orgs", "e.external_id")
    duck.execute(_evidence(source))
    duck.execute(
        "CREATE OR REPLACE TABLE match.decided_orgs AS "
        f"SELECT e.external_id, {new_id} AS new_id, {_decision()} AS decision "
        "FROM match.org_evidence AS e"
    )
    settle(duck, "orgs")


def _columns(prefix: str = "") -> str:
    keys = ", ".join(f"{text_key(prefix + n)} AS {n}" for n in NUMBERS)
    return f"org_type, {keys}, {name_key(prefix + 'name')} AS name"


def _evidence(source: RecordSource) -> str:
    """One row per staged org with what each number, and the name, says."""
    det = record_id_sql(source.district, source.provider, "orgs", "p.external_id")
    provider = literal(source.provider)
    keys = [*NUMBERS, "name", "org_type"]
    counts = ", ".join(
        f"free_{k} AS (SELECT org_type, {k} AS key, count(*) AS orgs, min(id) AS id "
        f"FROM free WHERE {k} IS NOT NULL GROUP BY ALL), "
        f"rows_{k} AS (SELECT org_type, {k} AS key, count(*) AS rows "
        f"FROM staged GROUP BY ALL)"
        for k in keys
    )
    joins = " ".join(
        f"LEFT JOIN free_{k} AS f_{k} "
        f"ON f_{k}.org_type = p.org_type AND f_{k}.key = p.{k} "
        f"LEFT JOIN rows_{k} AS r_{k} "
        f"ON r_{k}.org_type = p.org_type AND r_{k}.key = p.{k}"
        for k in keys
    )
    seen = ", ".join(
        f"f_{k}.orgs AS {k}_orgs, f_{k}.id AS {k}_id, r_{k}.rows AS {k}_rows"
        for k in keys
    )
    return f"""
CREATE OR REPLACE TABLE match.org_evidence AS
WITH staged AS (
  SELECT external_id, status, {_columns()} FROM {source.staged["orgs"]}),
own AS (
  SELECT external_id, internal_id FROM base.links
  WHERE entity = 'orgs' AND provider_id = {provider}),
free AS (
  SELECT id, {_columns()} FROM base.orgs
  WHERE id NOT IN (SELECT internal_id FROM own)),
{counts}
SELECT p.*, coalesce(l.internal_id, made.id) AS linked_id,
  linked.id IS NOT NULL AS is_linked_there,
  d.resolution, target.id AS resolved_id, {seen}
FROM staged AS p
LEFT JOIN own AS l ON l.external_id = p.external_id
LEFT JOIN base.orgs AS made ON l.external_id IS NULL AND made.id = {det}
LEFT JOIN base.orgs AS linked ON linked.id = coalesce(l.internal_id, made.id)
LEFT JOIN ({resolutions_sql("orgs")}) AS d ON d.external_id = p.external_id
LEFT JOIN base.orgs AS target
  ON d.resolution = 'RESOLVED_MERGED' AND target.id = d.internal_id {joins}"""


def _decision() -> str:
    """SQL for [internal id, rule, conflict] of one org, the first case that holds."""
    cases = [
        ("resolved_id = linked_id", choice("linked_id", "external_id")),
        ("resolved_id IS NOT NULL", choice("resolved_id", "resolved")),
        (
            "linked_id IS NOT NULL AND is_linked_there",
            choice("linked_id", "external_id"),
        ),
        ("resolution = 'RESOLVED_KEPT_SEPARATE'", choice("NULL", "created")),
        ("linked_id IS NOT NULL", choice("NULL", "external_id", "ORPHANED_MAPPING")),
        ("status <> 'active'", choice("NULL", "created")),
        # A district has one record; two would be two districts.
        (
            "org_type = 'district' AND org_type_orgs = 1 AND org_type_rows = 1",
            choice("org_type_id", "district"),
        ),
    ]
    for number in NUMBERS:
        others = [n for n in NUMBERS if n != number]
        differs = " OR ".join(f"{n}_id <> {number}_id" for n in others)
        doubtful = f"{number}_orgs > 1 OR {number}_rows > 1 OR {differs}"
        cases += [
            (
                f"{number}_orgs > 0 AND ({doubtful})",
                choice("NULL", number, "MERGE_CANDIDATE"),
            ),
            (f"{number}_orgs = 1", choice(f"{number}_id", number)),
        ]
    cases += [
        ("name_orgs > 0", choice("NULL", "name", "MERGE_CANDIDATE")),
        (
            "org_type = 'district' AND org_type_orgs > 0",
            choice("NULL", "district", "MERGE_CANDIDATE"),
        ),
    ]
    return first_of(cases, choice("NULL", "created"))
