"""What a provider brought of one person, and what became of it in the roster.

Called by `explain.py`, which finds the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.model.tables import (
    ENTITY_TABLES,
    identity_conflicts,
    roster_history,
)
from d118_pipelines.roster.staging.staged import find_staged
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.workflows.people.people import ROSTER, Sighting
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed

if TYPE_CHECKING:
    import duckdb

Rows = list[dict[str, Any]]
_LAST_EVENTS = 10


def explain_provider(
    feed: ProviderFeed, plan: StoredPlan, wanted: str, person: Sequence[Sighting]
) -> dict[str, Any]:
    """All that is known of the person; the keys are those of the JSON form."""
    project, name = feed.project, feed.name
    ids = sorted({value for row in person for value in row.values.values()} | {wanted})
    staged = find_staged(project.home / "staged" / name)
    users = project.home / plan.folder / "users.parquet"
    findings, change = [], []
    with closing(open_frames()) as duck:
        if staged is not None:
            said = "code, severity AS level, field"
            where = "source_file AS file, source_line AS line"
            findings = _rows_of(duck, staged.findings_file, f"{said}, {where}", ids)
        if users.is_file():
            fields = "array_to_string(fields, ', ')"
            change = _rows_of(duck, users, f"action, reason, {fields} AS columns", ids)
    roster, history, conflicts = _in_database(project, name, person, ids)
    labels = dict.fromkeys(row.label for row in person)
    extracts = [label for label in labels if label.startswith(f"raw/{name}/")]
    is_staged = f"staged/{name}/users" in labels
    return {
        "provider": name,
        "key": wanted,
        "outcome": _outcome(name, wanted, roster, findings, bool(extracts), is_staged),
        "roster": roster,
        "plan": change,
        "findings": findings,
        "conflicts": conflicts,
        "history": history,
        "extracts": [{"extract": label} for label in labels if label != ROSTER],
    }


def _outcome(
    name: str,
    wanted: str,
    roster: Rows,
    findings: Rows,
    is_extracted: bool,
    is_staged: bool,
) -> dict[str, str]:
    """What became of the person, in one sentence."""
    rejected = [f["code"] for f in findings if f["level"] in ("reject", "fatal")]
    here = f"in the newest extract of {name}"
    if not is_staged and rejected:
        text = f"{wanted} is rejected by the rule {rejected[0]}"
        return {"code": rejected[0], "text": f"{text}: docs/reference/rule_codes.md"}
    if roster:
        status = roster[0]["status"]
        seen = f"and {here}" if is_staged or is_extracted else f"but not {here}"
        return {"code": status, "text": f"{wanted} is {status} in the roster, {seen}."}
    if is_staged or is_extracted:
        text = f"{wanted} is {here}, not in the roster yet. See: d118 plan {name}"
        return {"code": "not_applied", "text": text}
    text = f"Neither the newest extract of {name} nor the roster has the id {wanted}."
    return {"code": "not_in_extract", "text": text}


def _rows_of(
    duck: duckdb.DuckDBPyConnection, path: Path, columns: str, ids: Sequence[str]
) -> Rows:
    """The rows of users in a Parquet file whose external id is among `ids`."""
    found = duck.execute(
        f"SELECT {columns} FROM (SELECT * FROM read_parquet($path)) "
        "WHERE list_contains($ids, external_id)",
        {"path": str(path), "ids": list(ids)},
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _in_database(
    project: Project, provider: str, person: Sequence[Sighting], ids: Sequence[str]
) -> tuple[Rows, Rows, Rows]:
    """The person's records in the roster, the last events, and open conflicts."""
    records = [row.values["id"] for row in person if row.label == ROSTER]
    users_table, h, k = ENTITY_TABLES["users"], roster_history.c, identity_conflicts.c
    with state_database(project).reading() as connection:
        users = connection.execute(
            sa.select(users_table).where(users_table.c.id.in_(records))
        ).all()
        events = connection.execute(
            sa.select(h.at, h.provider_id, h.action, h.fields, h.reason)
            .where(h.entity == "users", h.record_id.in_(records))
            .order_by(h.at.desc(), h.id.desc())
            .limit(_LAST_EVENTS)
        ).all()
        conflicts = connection.execute(
            sa.select(k.type, k.severity, k.state, k.rule, k.opened_at).where(
                k.provider_id == provider,
                k.entity == "users",
                k.external_id.in_(ids),
            )
        ).all()
    return (
        [
            {
                "of": user.provider_id,
                "key": user.external_id,
                "status": user.status,
                "reason": user.inactive_reason,
                "since": project.local(user.created_at),
                "changed": project.local(user.updated_at),
            }
            for user in users
        ],
        [
            {
                "when": project.local(event.at),
                "by": event.provider_id,
                "action": event.action,
                "columns": event.fields,
                "reason": event.reason,
            }
            for event in events
        ],
        [
            {
                "type": one.type,
                "severity": one.severity,
                "state": one.state,
                "rule": one.rule,
                "opened": project.local(one.opened_at),
            }
            for one in conflicts
        ],
    )
