"""What is asked for one user, and what an answer means for that user.

Called by `client.py`; requests are made by `service.py`. Rule: docs/reference/scim.md.
"""

from __future__ import annotations

from d118_pipelines.delivery.scim.changes import ScimChange, ScimOutcome, Status
from d118_pipelines.delivery.scim.service import InvalidUserError, Json, ScimService
from d118_pipelines.delivery.scim.transport import RefusedError

CLAIMED = "the user name belongs to a user with another externalId"
NO_SUCH_FILTER = (400, 501)
SEVERAL = "several users have this externalId or user name"


class _UnadoptableError(Exception):
    """A user exists that must not be adopted; the text says why."""


def settle(service: ScimService, change: ScimChange) -> ScimOutcome:
    """Carry out one change of one user.

    A refusal of this user never raises: it is `failed`, or `pending` where the same may
    succeed later. Raises: what stops all users (ScimService).
    """
    try:
        if change.action == "deactivate":
            return _deactivate(service, change)
        if change.scim_id is None:
            return _create(service, change)
        return _update(service, change)
    except RefusedError as refused:
        return refused_outcome(change, refused)
    except InvalidUserError as invalid:
        return ScimOutcome(change.key, "failed", change.scim_id, str(invalid))
    except _UnadoptableError as why:
        return ScimOutcome(change.key, "failed", None, str(why))


def refused_outcome(change: ScimChange, refused: RefusedError) -> ScimOutcome:
    """The outcome of a refusal for the user."""
    status: Status = "pending" if refused.may_pass else "failed"
    return ScimOutcome(change.key, status, change.scim_id, str(refused))


def _create(service: ScimService, change: ScimChange) -> ScimOutcome:
    if change.look_first and (found := _mine(service, change)):
        return _adopt(service, change, found)
    try:
        return ScimOutcome(change.key, "provisioned", service.create(change.user))
    except RefusedError as refused:
        found = _existing(service, change) if refused.status == 409 else None
        if found is None:
            raise
        return _adopt(service, change, found)


def _adopt(service: ScimService, change: ScimChange, scim_id: str) -> ScimOutcome:
    """Adopt an existing user; it gets all attributes."""
    try:
        service.update(scim_id, change.user)
    except RefusedError as refused:
        if refused.status == 404:  # gone in between; the next run creates it
            return ScimOutcome(change.key, "pending", None, str(refused))
        raise
    return ScimOutcome(change.key, "provisioned", scim_id)


def _update(service: ScimService, change: ScimChange) -> ScimOutcome:
    assert change.scim_id is not None
    try:
        service.update(change.scim_id, change.user, change.removed)
    except RefusedError as refused:
        if refused.status != 404:
            raise
        forgotten = ScimChange(change.key, "create", None, change.user, look_first=True)
        return _create(service, forgotten)
    return ScimOutcome(change.key, "updated", change.scim_id)


def _deactivate(service: ScimService, change: ScimChange) -> ScimOutcome:
    scim_id, user = change.scim_id, change.user
    if scim_id is None:
        found = service.find("externalId", change.key)
        scim_id = _one(found)
        if scim_id is None:
            return ScimOutcome(change.key, "deleted", None)
        user = {**found[0], "active": False}
    try:
        service.deactivate(scim_id, user)
    except RefusedError as refused:
        if refused.status != 404:
            raise
        return ScimOutcome(change.key, "deleted", None)
    return ScimOutcome(change.key, "deleted", None if service.deletes else scim_id)


def _existing(service: ScimService, change: ScimChange) -> str | None:
    """The id of the user with this externalId, else of an unclaimed one of the name."""
    if found := _mine(service, change):
        return found
    named = service.find("userName", str(change.user["userName"]))
    if any(user.get("externalId") not in (None, "", change.key) for user in named):
        raise _UnadoptableError(CLAIMED)
    return _one(named)


def _mine(service: ScimService, change: ScimChange) -> str | None:
    """The id of the user with this externalId, where the provider can look for it."""
    try:
        return _one(service.find("externalId", change.key))
    except RefusedError as refused:
        if refused.status in NO_SUCH_FILTER:
            return None
        raise


def _one(users: list[Json]) -> str | None:
    if len(users) > 1:
        raise _UnadoptableError(SEVERAL)
    return str(users[0]["id"]) if users and users[0].get("id") else None
