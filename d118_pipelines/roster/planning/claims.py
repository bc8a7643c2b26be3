"""What matching of people and of schools has in common.

Belongs here: what a person has resolved, how texts are compared, that no record is
claimed by two staged rows. Not here: the steps of matching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def settle(duck: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Make `match.<entity>` of the decisions: no record may be claimed by two rows.

    Of several claims the one of an old link stands and the rest are conflicts.
    In: `match.decided_<entity>` with external_id, new_id and decision, a list of
    internal id, rule, conflict.
    """
    duck.execute(
        f"CREATE OR REPLACE TABLE match.{entity} AS WITH told AS ("
        "SELECT external_id, CASE WHEN decision[2] = 'created' THEN new_id "
        "ELSE decision[1] END AS internal_id, decision[2] AS rule, "
        f"decision[3] AS conflict FROM match.decided_{entity}), claimed AS ("
        "SELECT internal_id, count(*) AS claims, "
        "count(*) FILTER (rule = 'external_id') AS old FROM told "
        "WHERE internal_id IS NOT NULL GROUP BY internal_id HAVING count(*) > 1) "
        "SELECT external_id, CASE WHEN lost AND rule <> 'external_id' THEN NULL "
        "ELSE internal_id END AS internal_id, rule, CASE WHEN lost "
        "THEN 'MERGE_CANDIDATE' ELSE conflict END AS conflict FROM (SELECT t.*, "
        "c.claims IS NOT NULL AND NOT (t.rule = 'external_id' AND c.old = 1) AS lost "
        "FROM told AS t LEFT JOIN claimed AS c USING (internal_id))"
    )


def ensure_resolutions(duck: duckdb.DuckDBPyConnection) -> None:
    """Make `base.resolutions` where the baseline came without it: nothing resolved."""
    [[found]] = duck.execute(
        "SELECT count(*) FROM information_schema.tables "
        "WHERE table_schema = 'base' AND table_name = 'resolutions'"
    ).fetchall()
    if not found:
        duck.execute(
            "CREATE TABLE base.resolutions (entity VARCHAR, external_id VARCHAR, "
            "resolution VARCHAR, internal_id VARCHAR)"
        )


def resolutions_sql(entity: str) -> str:
    """SELECT of external_id, resolution, internal_id: one that counts per row."""
    return (
        "SELECT external_id, arg_min(resolution, rank) AS resolution, "
        "arg_min(internal_id, rank) AS internal_id FROM (SELECT *, "
        "(resolution <> 'RESOLVED_MERGED')::INTEGER AS rank FROM base.resolutions "
        f"WHERE entity = '{entity}' AND resolution IN "
        "('RESOLVED_MERGED', 'RESOLVED_KEPT_SEPARATE')) GROUP BY external_id"
    )


def choice(internal_id: str, rule: str, conflict: str = "NULL") -> str:
    """SQL for one decision; `internal_id` is a column or NULL, the rest are words."""
    shown = conflict if conflict == "NULL" else f"'{conflict}'"
    return f"[{internal_id}, '{rule}', {shown}]"


def first_of(cases: list[tuple[str, str]], otherwise: str) -> str:
    """SQL for the first case whose condition holds."""
    whens = " ".join(f"WHEN {condition} THEN {then}" for condition, then in cases)
    return f"CASE {whens} ELSE {otherwise} END"


def text_key(column: str) -> str:
    """SQL for a number or id as it is compared: trimmed, null when empty."""
    return f"nullif(trim({column}), '')"


def email_key(column: str) -> str:
    """SQL for an e-mail as it is compared: trimmed and case-folded, null when empty."""
    return f"nullif(lower(trim({column})), '')"


def name_key(column: str) -> str:
    """SQL for a name as it is compared: letters and digits, no case, no accents."""
    plain = f"lower(strip_accents({column}))"
    return f"nullif(regexp_replace({plain}, '[^\\p{{L}}\\p{{N}}]', '', 'g'), '')"
