"""What PowerSchool should have imported and did not: yesterday's file is still there.

Called by `export.py` and `d118 doctor`, for targets whose files PowerSchool's AutoComm
takes. Rule: docs/reference/autocomm.md.
"""

from __future__ import annotations

import datetime as dt

from d118_pipelines.config.project import Project
from d118_pipelines.kernel.finding import Finding
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.targets.deliveries import file_set_of

NOT_PICKED_UP = "autocomm.not_picked_up"
_TODO = (
    "PowerSchool has not imported this file: look at AutoComm's schedule and log. The next "
    "approved delivery replaces it."
)


def not_picked_up(project: Project, target: Target, now: dt.datetime) -> list[Finding]:
    """The files of a delivery of an earlier day that are still in the folder.

    Raises: as a delivery, if the folder cannot be looked into.
    """
    if not target.feeds_powerschool:
        return []
    way, zone = file_set_of(project, target), project.district().zone
    with state_database(project).reading() as connection:
        last = way.last(connection)
    today = now.astimezone(zone).date()
    if way.destination.is_outbox or last is None:
        return []
    if last.finished_at.astimezone(zone).date() >= today:
        return []
    with way.destination.connect() as remote:
        left = [name for name in target.names_sent if remote.stat(name) is not None]
    return [Finding(NOT_PICKED_UP, "warning", name, "", "", _TODO) for name in left]
