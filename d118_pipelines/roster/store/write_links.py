"""Links between a provider's ids and the records of schools and people.

Called by `apply.py`: what follows from a plan for `external_ids`, `absent_once` and
`identity_conflicts`; the SQL is in sql/roster/store.sql. Conflicts are resolved in
`conflicts.py`. Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

import sqlalchemy as sa

from d118_pipelines.roster.model.tables import absent_once
from d118_pipelines.roster.planning.matching import SEVERITIES
from d118_pipelines.roster.staging.transforms import choose
from d118_pipelines.roster.store.write_records import Writer, store_sql
from d118_pipelines.state.bulk import append_frame


def write_links(writer: Writer, entity: str, *, is_first_load: bool) -> None:
    """Create or activate the links of reported records, deactivate the others."""
    created = "SELECT external_id, id FROM incoming WHERE action = 'create'"
    if is_first_load:
        created = f"SELECT external_id, id FROM {entity}"
    writer.run(store_sql("link_created", created=created), entity=entity)
    if not is_first_load:
        writer.run(store_sql("link_reported"), entity=entity)
        writer.run(store_sql("link_asleep"), entity=entity)


def name_people(writer: Writer, *, is_first_load: bool) -> None:
    """Give demographics the people that they describe: their ids are the same."""
    some = "" if is_first_load else "AND t.id IN (SELECT id FROM incoming)"
    writer.run(store_sql("name_people", some=some))


def keep_absences(
    writer: Writer, entity: str, changes: str, present: str, *, is_news: bool
) -> int:
    """Remember who was absent for the first time; forget those who are back or have left.

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
    found = store_sql("absences", changes=changes, present=present)
    append_frame(writer.connection, duck, found, "absences")
    changed = run(store_sql("forget_absences"), entity=entity)
    changed += run(store_sql("remember_absences"), entity=entity)
    run("DROP TABLE absences")
    return changed


def _known_absences(writer: Writer, entity: str) -> list[tuple[str]]:
    c = absent_once.c
    mine = (c.district_id == writer.district, c.provider_id == writer.provider)
    found = sa.select(c.external_id).where(*mine, c.entity == entity)
    return [(str(row.external_id),) for row in writer.connection.execute(found)]


def open_conflicts(writer: Writer, entity: str, changes: str) -> int:
    """Open a case per conflict of a plan; returns how many are new.

    The id of a case is made of its evidence: the same evidence adds nothing, be the
    case open or resolved.
    """
    writer.run("DROP TABLE IF EXISTS cases")
    writer.run(store_sql("make_cases", id=writer.id_type))
    cases = store_sql(
        "cases",
        district=writer.district,
        provider=writer.provider,
        entity=entity,
        changes=changes,
        severity=choose("reason", SEVERITIES, "'MEDIUM'"),
    )
    append_frame(writer.connection, writer.duck, cases, "cases")
    opened = writer.run(store_sql("open_cases", now=writer.typed_now), entity=entity)
    writer.run("DROP TABLE cases")
    return opened
