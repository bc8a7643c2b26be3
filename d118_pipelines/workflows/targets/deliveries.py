"""Which of the two ways a target is delivered, and what deliveries there were.

Called by the export, the delivery's asset, `d118 resend`, `d118 ledger` and the
console; the ways are in `file_set.py` and `scim.py`, what they share is in
`deliver.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.targets.deliver import Delivery
from d118_pipelines.workflows.targets.destinations import FileDestination, resolve
from d118_pipelines.workflows.targets.file_set import FileSet
from d118_pipelines.workflows.targets.scim import Users


def delivery_of(
    project: Project, target: Target, tell: Callable[[str], None] | None = None
) -> Delivery[Any]:
    """The target's way to its present destination; opens no connection.

    tell: is told of the progress. Raises: ConfigurationError for a bad address.
    """
    destination = resolve(project, target)
    if target.sends_users:
        return Users(project, target, destination, tell=tell)
    assert isinstance(destination, FileDestination)
    return FileSet(project, target, destination, tell=tell)


def file_set_of(project: Project, target: Target) -> FileSet:
    """As `delivery_of`. Raises: ConfigurationError for a target of users."""
    way = delivery_of(project, target)
    if isinstance(way, FileSet):
        return way
    raise ConfigurationError(
        f"{target.name} sends no files: {way.destination.label} gets its users one by "
        "one.",
        not_done="Nothing was sent.",
        next_step=f"Send what has changed: d118 run {target.name}",
    )


def newest_deliveries(
    project: Project, target: str | None = None, *, limit: int
) -> Sequence[sa.Row[Any]]:
    """The rows of `deliveries`, newest first. target: of this one alone."""
    query = sa.select(db.deliveries).order_by(db.deliveries.c.number.desc())
    if target:
        query = query.where(db.deliveries.c.target == target)
    with state_database(project).reading() as connection:
        return connection.execute(query.limit(limit)).all()


def file_lines(project: Project, row: Any) -> list[dict[str, Any]]:
    """The files of one delivery for people: bytes, SHA-256, what was read back."""
    return [
        {
            "delivery": row.id[:8],
            "target": row.target,
            "status": row.status,
            "ended": project.local(row.finished_at),
            "file": file["name"],
            "rows": file["rows"],
            "bytes": file["size_bytes"],
            "sha256": file["sha256"],
            "read back": row.read_back,
            "destination": row.destination,
        }
        for file in row.files
    ]
