"""Many users in one request, within the limits that the provider names.

Called by `client.py`; users that it could not settle are asked for in `one_user.py`.
Rule: RFC 7644 section 3.7.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from d118_pipelines.delivery.scim.changes import ScimChange, ScimOutcome, Status
from d118_pipelines.delivery.scim.one_user import refused_outcome
from d118_pipelines.delivery.scim.resource import user_path
from d118_pipelines.delivery.scim.service import (
    InvalidUserError,
    ScimService,
    id_in,
)
from d118_pipelines.delivery.scim.transport import RefusedError

ENVELOPE_BYTES = 200
# Answers that are followed up for the one user: adopt, create again, wait.
FOLLOWED_UP = frozenset({404, 409})
DONE: Mapping[str, Status] = {
    "create": "provisioned",
    "update": "updated",
    "deactivate": "deleted",
}

Operation = dict[str, Any]


def operation(service: ScimService, change: ScimChange) -> Operation | None:
    """The bulk operation of one change; None if the user must be looked up first.

    Raises: InvalidUserError.
    """
    if change.scim_id is None:
        if change.look_first or change.action == "deactivate":
            return None
        method, body = service.create_operation(change.user)
        return {"method": method, "path": "/Users", "bulkId": change.key, "data": body}
    if change.action == "deactivate":
        method, data = service.deactivate_operation(change.scim_id, change.user)
    else:
        method, data = service.update_operation(
            change.scim_id, change.user, change.removed
        )
    found = {"method": method, "path": user_path(change.scim_id), "bulkId": change.key}
    return found if data is None else {**found, "data": data}


def settle_in_bulk(
    service: ScimService, changes: Sequence[ScimChange]
) -> tuple[list[ScimOutcome], list[ScimChange]]:
    """What one or more bulk requests settled, and the changes that are left."""
    settled: list[ScimOutcome] = []
    left: list[ScimChange] = []
    prepared: list[tuple[ScimChange, Operation]] = []
    for change in changes:
        try:
            found = operation(service, change)
        except InvalidUserError as invalid:
            text = str(invalid)
            settled.append(ScimOutcome(change.key, "failed", change.scim_id, text))
            continue
        if found is None:
            left.append(change)
        else:
            prepared.append((change, found))
    for request in _requests(service, prepared):
        try:
            answers = _by_key(service.bulk([found for _, found in request]), request)
        except RefusedError:
            answers = {}  # the request as a whole: each user by itself
        for change, _ in request:
            outcome = _outcome(service, change, answers.get(change.key))
            if outcome is None:
                left.append(replace(change, look_first=True))
            else:
                settled.append(outcome)
    return settled, left


def _requests(
    service: ScimService, prepared: Sequence[tuple[ScimChange, Operation]]
) -> Iterator[list[tuple[ScimChange, Operation]]]:
    """Parts that fit into one request each."""
    part: list[tuple[ScimChange, Operation]] = []
    size = ENVELOPE_BYTES
    limit = service.can.bulk_bytes or float("inf")
    for change, found in prepared:
        length = len(json.dumps(found)) + 2
        if part and (len(part) >= service.can.bulk_operations or size + length > limit):
            yield part
            part, size = [], ENVELOPE_BYTES
        part.append((change, found))
        size += length
    if part:
        yield part


def _by_key(
    answers: Sequence[Mapping[str, Any]],
    request: Sequence[tuple[ScimChange, Operation]],
) -> dict[str, Mapping[str, Any]]:
    """Answers by key: of their bulkId, else of the id in their location."""
    known = {change.scim_id: change.key for change, _ in request if change.scim_id}
    keys = {change.key for change, _ in request}
    found: dict[str, Mapping[str, Any]] = {}
    for answer in answers:
        key = answer.get("bulkId") or known.get(id_in(answer.get("location")) or "")
        if key in keys:
            found[str(key)] = answer
    return found


def _outcome(
    service: ScimService, change: ScimChange, answer: Mapping[str, Any] | None
) -> ScimOutcome | None:
    """What the answer says; None if the user must be looked up."""
    status = _status(answer)
    if answer is None or status is None or status in FOLLOWED_UP:
        return None
    if status >= 300:
        response = answer.get("response")
        word = response.get("scimType") if isinstance(response, dict) else ""
        refused = RefusedError(status, str(word))
        return None if refused.may_pass else refused_outcome(change, refused)
    scim_id = change.scim_id or id_in(answer.get("location"))
    if scim_id is None:
        return None
    gone = change.action == "deactivate" and service.deletes
    return ScimOutcome(change.key, DONE[change.action], None if gone else scim_id)


def _status(answer: Mapping[str, Any] | None) -> int | None:
    """The status of one operation: a number, a text or {code: text}."""
    status = (answer or {}).get("status")
    if isinstance(status, dict):
        status = status.get("code")
    text = str(status)
    return int(text) if text.isdigit() and len(text) == 3 else None
