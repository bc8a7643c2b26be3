"""Links between a provider's ids and the records of schools and people.

Belongs here: the statements on `external_ids`, `absent_once` and `identity_conflicts`
that follow from a plan. Not here: finding the record that an id means (`matching.py`),
resolving a conflict (`conflicts.py`). Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

import sqlalchemy as sa

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.model.tables import absent_once
from d118_pipelines.roster.planning.matching import SEVERITIES
from d118_pipelines.roster.store.write_records import Writer
from d118_pipelines.state.bulk import append_frame

_KEY = "district_id, provider_id, entity, external_id"
_MINE = "district_id = :district AND provider_id = :provider AND entity = :entity"


def write_links(writer: Writer, entity: str, *, is_first_load: bool) -> None:
    """Make or wake the links of records that are reported, put the others to sleep."""
    new = "SELECT external_id, id FROM incoming WHERE action = 'create'"
    if is_first_load:
        new = f"SELECT external_id, id FROM {entity}"
    into = (
        f"INSERT INTO external_ids ({_KEY}, internal_id, active, rule, first_seen_run) "
        "SELECT :district, :provider, :entity, n.external_id, n.id, TRUE, "
    )
    renew = (
        f"ON CONFLICT ({_KEY}) DO UPDATE SET internal_id = excluded.internal_id, "
        "active = TRUE, rule = "
    )
    writer.run(
        f"{into} 'created', :run FROM ({new}) AS n WHERE 1 = 1 ORDER BY n.external_id "
        f"{renew} excluded.rule",
        entity=entity,
    )
    if is_first_load:
        return
    writer.run(
        f"{into} n.rule, :run FROM plan_rows AS n "
        f"WHERE n.action IN ('link', 'reactivate', 'update') {renew} "
        "CASE WHEN excluded.rule = 'external_id' THEN external_ids.rule "
        "ELSE excluded.rule END",
        entity=entity,
    )
    writer.run(
        f"UPDATE external_ids SET active = FALSE WHERE {_MINE} AND external_id IN "
        "(SELECT external_id FROM plan_rows WHERE action IN ('deactivate', 'unlink'))",
        entity=entity,
    )


def name_people(writer: Writer, *, is_first_load: bool) -> None:
    """Give demographics the people that they describe: their ids are the same."""
    some = "" if is_first_load else "AND t.id IN (SELECT id FROM incoming)"
    writer.run(
        "UPDATE demographics AS t SET user_id = x.internal_id FROM external_ids AS x "
        "WHERE x.district_id = :district AND x.provider_id = :provider "
        "AND x.entity = 'users' AND x.external_id = t.external_id "
        f"AND t.district_id = :district AND t.provider_id = :provider {some}"
    )


def keep_absences(
    writer: Writer, entity: str, changes: str, present: str, *, is_news: bool
) -> int:
    """Remember who was absent for the first time; forget who is back or gone.

    changes, present: DuckDB relations, the entity's plan and the external ids of all
    rows that were sent, rejected ones included. is_news: somebody is absent for the
    first time. Returns how many rows changed.
    """
    run, duck = writer.run, writer.duck
    known = _known_absences(writer, entity)
    if not known and not is_news:
        return 0
    run("DROP TABLE IF EXISTS absences")
    run("CREATE TEMPORARY TABLE absences (external_id TEXT, action TEXT)")
    duck.execute("CREATE OR REPLACE TEMP TABLE known_absences (external_id VARCHAR)")
    if known:
        duck.executemany("INSERT INTO known_absences VALUES (?)", known)
    append_frame(
        writer.connection,
        duck,
        f"SELECT external_id, 'add' AS action FROM {changes} "
        "WHERE action = 'absent_once' UNION ALL "
        "SELECT external_id, 'drop' FROM known_absences WHERE external_id IN "
        f"(SELECT external_id FROM {present}) OR external_id IN "
        f"(SELECT external_id FROM {changes} WHERE action IN ('deactivate', 'unlink'))",
        "absences",
    )
    changed = run(
        f"DELETE FROM absent_once WHERE {_MINE} AND external_id IN "
        "(SELECT external_id FROM absences WHERE action = 'drop')",
        entity=entity,
    )
    changed += run(
        f"INSERT INTO absent_once ({_KEY}, run_id) "
        "SELECT :district, :provider, :entity, external_id, :run FROM absences "
        f"WHERE action = 'add' ON CONFLICT ({_KEY}) DO NOTHING",
        entity=entity,
    )
    run("DROP TABLE absences")
    return changed


def _known_absences(writer: Writer, entity: str) -> list[tuple[str]]:
    c = absent_once.c
    mine = (c.district_id == writer.district, c.provider_id == writer.provider)
    found = sa.select(c.external_id).where(*mine, c.entity == entity)
    return [(str(row.external_id),) for row in writer.connection.execute(found)]


def open_conflicts(writer: Writer, entity: str, changes: str) -> int:
    """Open a case per conflict of a plan; returns how many are new.

    The id of a case is made of its evidence: the same evidence adds nothing, be the case
    open or resolved.
    """
    severity = " ".join(
        f"WHEN {literal(kind)} THEN {literal(level)}"
        for kind, level in SEVERITIES.items()
    )
    case = ", chr(10), ".join(
        [
            *map(literal, (writer.district, writer.provider, entity)),
            "external_id, chr(10), reason, chr(10), rule, chr(10), coalesce(id, '')",
        ]
    )
    kind = "UUID" if writer.is_postgres else "TEXT"
    writer.run("DROP TABLE IF EXISTS cases")
    writer.run(
        "CREATE TEMPORARY TABLE cases (id TEXT, external_id TEXT, type TEXT, "
        f"severity TEXT, rule TEXT, record_id {kind})"
    )
    append_frame(
        writer.connection,
        writer.duck,
        f"SELECT md5(concat({case})) AS id, external_id, reason AS type, "
        f"CASE reason {severity} ELSE 'MEDIUM' END AS severity, rule, id AS record_id "
        f"FROM {changes} WHERE action = 'conflict'",
        "cases",
    )
    now = "CAST(:now AS TIMESTAMPTZ)" if writer.is_postgres else ":now"
    opened = writer.run(
        "INSERT INTO identity_conflicts (id, district_id, provider_id, entity, "
        "external_id, type, severity, state, rule, record_id, run_id, opened_at) "
        "SELECT id, :district, :provider, :entity, external_id, type, severity, 'OPEN', "
        f"rule, record_id, :run, {now} FROM cases WHERE 1 = 1 "
        "ON CONFLICT (id) DO NOTHING",
        entity=entity,
    )
    writer.run("DROP TABLE cases")
    return opened
