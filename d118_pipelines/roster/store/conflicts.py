"""Conflicts of identity: listing the open cases, and closing one with a reason.

Called by `cli/providers.py`: what a person decides. Conflicts are found in
`planning/matching.py`, cases opened in `write_links.py`. A case that was closed does
not open again while its evidence is the same. Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.model.tables import (
    ENTITY_TABLES,
    identity_conflicts,
    roster_revision,
)
from d118_pipelines.roster.planning.record_views import MATCHED
from d118_pipelines.state import audit

OPEN_STATES = ("OPEN", "INVESTIGATING")
RESOLUTIONS = (
    "RESOLVED_MERGED",
    "RESOLVED_KEPT_SEPARATE",
    "RESOLVED_MANUAL",
    "DISMISSED",
)
_PREFIX_LENGTH = 8


def list_conflicts(
    connection: sa.Connection,
    *,
    district: str,
    provider: str | None = None,
    is_open: bool = True,
) -> Sequence[sa.RowMapping]:
    """The cases of a district, most serious and oldest first; closed ones on request.

    No value of a person is in a case, only ids.
    """
    c = identity_conflicts.c
    rank = sa.case({"CRITICAL": 0, "HIGH": 1, "MEDIUM": 2}, value=c.severity, else_=3)
    query = sa.select(identity_conflicts).where(c.district_id == district)
    if provider is not None:
        query = query.where(c.provider_id == provider)
    if is_open:
        query = query.where(c.state.in_(OPEN_STATES))
    query = query.order_by(rank, c.opened_at, c.id)
    return connection.execute(query).mappings().all()


def resolve_conflict(
    connection: sa.Connection,
    case_id: str,
    *,
    district: str,
    resolution: str,
    reason: str,
    account: str,
    now: dt.datetime,
    record: str | None = None,
) -> sa.RowMapping:
    """Close a case; the provider's next plan follows it. Returns the case as it was.

    case_id: its first 8 or more characters. record: the internal id that the person is,
    for RESOLVED_MERGED where the case names none.
    Raises: ConfigurationError if there is no such open case, the reason is empty, or
    RESOLVED_MERGED has no record of this district.
    """
    case = _open_case(connection, case_id, district)
    if resolution not in RESOLUTIONS:
        raise _refused(f"{resolution} is not a resolution.", f"One of {RESOLUTIONS}.")
    if not reason.strip():
        raise _refused("A reason is missing.", "Every resolution has a reason.")
    record = record or case.record_id
    if resolution == "RESOLVED_MERGED":
        _require_record(connection, case, record)
    connection.execute(
        identity_conflicts.update()
        .where(identity_conflicts.c.id == case.id)
        .values(
            state=resolution,
            record_id=record,
            reason=reason,
            resolved_by=account,
            resolved_at=now,
        )
    )
    # A plan made before is made of other evidence now.
    revision = roster_revision.c
    connection.execute(
        roster_revision.update()
        .where(revision.district_id == district)
        .values(revision=revision.revision + 1, changed_at=now)
    )
    audit.record(
        connection,
        now=now,
        actor=account,
        action="conflict resolved",
        subject=case.provider_id,
        detail=f"{case.id} {resolution}",
        reason=reason,
    )
    return case._mapping


def _open_case(connection: sa.Connection, case_id: str, district: str) -> sa.Row[Any]:
    c = identity_conflicts.c
    found: Sequence[sa.Row[Any]] = []
    if len(case_id) >= _PREFIX_LENGTH:
        found = connection.execute(
            sa.select(identity_conflicts).where(
                c.district_id == district,
                c.state.in_(OPEN_STATES),
                c.id.startswith(case_id, autoescape=True),
            )
        ).fetchall()
    if len(found) != 1:
        raise _refused(
            f"{len(found)} open conflicts begin with {case_id!r}.",
            "Name one by the first 8 or more characters of its id.",
        )
    return found[0]


def _require_record(
    connection: sa.Connection, case: sa.Row[Any], record: str | None
) -> None:
    assert case.entity in MATCHED and case.entity in ENTITIES
    c = ENTITY_TABLES[case.entity].c
    query = sa.select(sa.func.count()).where(
        sa.cast(c.id, sa.Text) == (record or ""), c.district_id == case.district_id
    )
    if not connection.execute(query).scalar_one():
        raise _refused(
            f"The {case.entity} record to merge with is missing.",
            "RESOLVED_MERGED needs the internal id of a record of this district.",
        )


def _refused(what: str, rule: str) -> ConfigurationError:
    return ConfigurationError(
        what,
        rule=rule,
        not_done="Nothing was changed.",
        next_step="d118 conflicts list shows the open cases.",
    )
