"""The disclosure register of this project, and when it was last posted.

Called by `assets/reports.py` and `d118 ledger disclosures`; what a row says is in
`targets/disclosures.py`. Rule: docs/reference/disclosures.md.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.kernel.csv_text import csv_text
from d118_pipelines.kernel.text import printable
from d118_pipelines.state import audit
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.disclosures import (
    Disclosure,
    Sent,
    as_html,
    as_markdown,
    as_rows,
    disclosures_of,
)
from d118_pipelines.workflows.monitoring.all_feeds import Feeds

_IN_TABLE = ("recipient", "file", "kinds of people", "data elements", "last delivery")
POSTED, REGISTER = "disclosures posted", "disclosures"
# The posting is refreshed at least twice a year.
REMIND_AFTER = dt.timedelta(days=152)
OVERDUE_AFTER = dt.timedelta(days=183)


def register(project: Project, feeds: Feeds) -> list[Disclosure]:
    """Every disclosure of the targets, from their deliveries that count.

    Those that are misconfigured keep their rows.
    """
    d = db.deliveries.c
    query = (
        sa.select(d.target, d.destination, d.finished_at, d.files, d.counts, d.status)
        .where(d.status.in_(db.COUNTS))
        .order_by(d.number)
    )
    with state_database(project).reading() as connection:
        rows = connection.execute(query).all()
    targets: list[Target | Misconfigured] = [
        *feeds.targets,
        *(one for one in feeds.broken if one.kind == "target"),
    ]
    return [
        disclosure
        for target in sorted(targets, key=lambda one: one.name)
        for disclosure in disclosures_of(
            target,
            (
                Sent(
                    r.destination,
                    r.finished_at,
                    r.files,
                    r.counts.get("facts", {}),
                    r.status,
                )
                for r in rows
                if r.target == target.name
            ),
        )
    ]


def table_rows(found: Sequence[Disclosure]) -> list[dict[str, Any]]:
    """The register for a table: who has which data about whom, since when."""
    return [{name: row[name] for name in _IN_TABLE} for row in as_rows(found)]


def lacking(found: Sequence[Disclosure]) -> list[str]:
    """A sentence for each target that gets pupils' data without a named agreement."""
    return [
        f"{target} receives pupils' data without a named agreement: key disclosure."
        for target in sorted({one.target for one in found if one.lacks_agreement})
    ]


def shown(
    found: Sequence[Disclosure], form: str, project: Project, now: dt.datetime
) -> str:
    """The register as `markdown`, `html`, `csv` or `json`."""
    district = project.district()
    day = now.astimezone(district.zone).date()
    if form == "markdown":
        return as_markdown(found, district=district.name, day=day)
    if form == "html":
        return as_html(found, district=district.name, day=day)
    if form == "csv":
        return csv_text(as_rows(found))
    return json.dumps([asdict(one) for one in found], indent=2, default=str) + "\n"


def write_register(
    project: Project, found: Sequence[Disclosure], now: dt.datetime
) -> list[Path]:
    """Write the register to `D118_HOME/reports/`, in all its forms."""
    folder = project.folder("reports")
    written = []
    for form in ("markdown", "csv", "html", "json"):
        path = folder / f"disclosures.{'md' if form == 'markdown' else form}"
        path.write_text(printable(shown(found, form, project, now)), encoding="utf-8")
        path.chmod(0o600)
        written.append(path)
    return written


def record_posting(project: Project, *, now: dt.datetime, account: str) -> None:
    """Store that the register was posted where the public reads it."""
    audit.record_alone(
        state_database(project),
        now=now,
        actor=account,
        action=POSTED,
        subject=REGISTER,
    )


def last_posting(project: Project) -> dt.datetime | None:
    """When the register was last posted, or None."""
    with state_database(project).reading() as connection:
        newest = audit.last_of(connection, POSTED, REGISTER)
    return newest["at"] if newest else None
