"""People who left are erased: roster, history, what vendors were last sent about them.

Called by `retention.py`, in its transaction. What stays of a person is the key of each
system and the dates. Rules: docs/reference/retention.md.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.model.tables import (
    ENTITY_TABLES,
    external_ids,
    roster_history,
    roster_revision,
    sis_sync_runs,
    user_agents,
    user_roles,
)
from d118_pipelines.state import database as db
from d118_pipelines.targets.definition_checks import SCIM_NAME

_users = ENTITY_TABLES["users"]
_NOTHING_SENT = "{}"  # what SCIM's last line is then: it is read as JSON


def erase_inactive(
    connection: sa.Connection,
    *,
    district: str,
    until: dt.datetime,
    last_run: int,
    last_delivery: int,
    now: dt.datetime,
    is_dry: bool = False,
) -> int:
    """Erase users who were deactivated before `until`; how many there are.

    last_run: the number of the last run that is so old: the clock alone is not
    believed. last_delivery: the same of deliveries, for the values in the ledger.
    """
    u, x, s = _users.c, external_ids.c, sis_sync_runs.c
    old_runs = sa.select(s.run_id).where(s.number <= last_run)
    due = sa.and_(
        u.district_id == district,
        u.status == "inactive",
        u.deactivated_at < until,
        u.deactivated_by_run.in_(old_runs),
        ~sa.exists().where(x.internal_id == u.id, x.entity == "users", x.active),
    )
    found = connection.scalar(sa.select(sa.func.count()).select_from(_users).where(due))
    if is_dry:
        return found or 0
    if found:
        blank = _blank("users") | {"scim_error": None}
        connection.execute(_users.update().where(due).values(status="deleted", **blank))
        r = roster_revision
        moved = {"revision": r.c.revision + 1, "changed_at": now}
        connection.execute(r.update().where(r.c.district_id == district).values(moved))
        _erase_around(connection, district)
    _erase_ledger(connection, last_delivery)
    return found or 0


def _blank(entity: str) -> dict[str, object]:
    """What the columns of a record have once it is erased."""
    values: dict[str, object] = {
        field.column: None
        for field in ENTITIES[entity].fields
        if not field.required and not field.is_reference
    }
    if entity == "users":
        values |= {"roles": "[]", "primary_school_id": None, "agent_ids": None}
    return {**values, "metadata": None, "row_hash": ""}


def _erase_around(connection: sa.Connection, district: str) -> None:
    """What other tables have of everybody who is erased."""
    gone = sa.select(_users.c.id).where(
        _users.c.status == "deleted", _users.c.district_id == district
    )
    of_user = ENTITY_TABLES["demographics"]
    records = sa.union(gone, sa.select(of_user.c.id).where(of_user.c.user_id.in_(gone)))
    h = roster_history
    connection.execute(
        h.update()
        .where(h.c.record_id.in_(records), h.c.before.is_not(None))
        .values(before=None)
    )
    connection.execute(
        of_user.update()
        .where(of_user.c.user_id.in_(gone))
        .values(status="deleted", **_blank("demographics"))
    )
    taken = ENTITY_TABLES["enrollments"]
    connection.execute(
        taken.delete().where(taken.c.user_id.in_(gone), taken.c.status != "active")
    )
    connection.execute(user_roles.delete().where(user_roles.c.user_id.in_(gone)))
    a = user_agents
    connection.execute(
        a.delete().where(sa.or_(a.c.user_id.in_(gone), a.c.agent_id.in_(gone)))
    )
    e = db.delivery_ledger
    connection.execute(
        e.update()
        .where(
            e.c.target == SCIM_NAME,
            e.c.state != "active",
            e.c.key.in_(
                sa.select(sa.cast(_users.c.id, sa.Text)).where(
                    _users.c.status == "deleted", _users.c.district_id == district
                )
            ),
        )
        .values(last_line=_NOTHING_SENT)
    )


def _erase_ledger(connection: sa.Connection, last_delivery: int) -> None:
    """The lines of whoever was not sent for that long; key, hash and times stay.

    SCIM sends a user only when something changed: its lines go with the person.
    """
    e, d = db.delivery_ledger, db.deliveries.c
    old = sa.select(d.id).where(d.number <= last_delivery)
    connection.execute(
        e.update()
        .where(
            e.c.target != SCIM_NAME,
            e.c.last_delivery.in_(old),
            e.c.last_line.is_not(None),
        )
        .values(last_line=None)
    )
