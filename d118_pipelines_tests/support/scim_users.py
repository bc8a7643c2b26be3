"""Synthetic users for a SCIM service, and a notebook for what became of them.

Belongs here: rows, changes, the notebook. Not here: servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from d118_pipelines.delivery.scim.changes import ScimChange, ScimOutcome, ScimSettings
from d118_pipelines.delivery.scim.resource import user_resource
from d118_pipelines_tests.support.scim_server import TOKEN

Row = dict[str, str | None]


def row(number: int, **columns: str | None) -> Row:
    """The row of one user; columns with a dot as `name__givenName`."""
    given = {name.replace("__", "."): value for name, value in columns.items()}
    return {
        "externalId": f"id-{number:05}",
        "userName": f"user{number}",
        "active": "true",
        "name.givenName": "Given",
        "name.familyName": f"Family{number}",
        "emails.work": f"user{number}@d118.example",
        "enterprise.employeeNumber": f"{number:06}",
        **given,
    }


def created(rows: Iterable[Row], *, look_first: bool = False) -> list[ScimChange]:
    """Changes that create these users."""
    return [
        ScimChange(
            str(r["externalId"]), "create", None, user_resource(r), (), look_first
        )
        for r in rows
    ]


def settings(base_url: str, **given: object) -> ScimSettings:
    """Settings that do not wait."""
    options: dict[str, object] = {"pauses_seconds": (0.0, 0.0, 0.0), **given}
    return ScimSettings(base_url, TOKEN, **options)  # type: ignore[arg-type]


class Notebook:
    """Takes outcomes as a caller of `provision` would; the newest per user stands."""

    def __init__(self) -> None:
        self.outcomes: dict[str, ScimOutcome] = {}
        self.batches: list[int] = []

    def __call__(self, outcomes: Sequence[ScimOutcome]) -> None:
        self.batches.append(len(outcomes))
        self.outcomes.update({outcome.key: outcome for outcome in outcomes})

    def of(self, number: int) -> ScimOutcome:
        """What became of one user."""
        return self.outcomes[f"id-{number:05}"]

    def statuses(self) -> set[str]:
        """All statuses that occur."""
        return {outcome.status for outcome in self.outcomes.values()}
