"""The requests that a service provider would be sent, as a file of JSON lines.

Called by `workflows/targets/scim.py` while no address is set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from d118_pipelines.delivery.scim.changes import ScimChange
from d118_pipelines.delivery.scim.resource import inactive_patch, user_path

NAME = "users.jsonl"


def write_requests(folder: Path, changes: Iterable[ScimChange]) -> Path:
    """Write one line per change (method, path, body), readable by the owner alone.

    The file of the last time is replaced as a whole. Raises: OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target, partial = folder / NAME, folder / f".{NAME}.part"
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        for change in changes:
            file.write(json.dumps(_request(change), ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
    return target


def _request(change: ScimChange) -> dict[str, Any]:
    if change.action == "create" or change.scim_id is None:
        return {"method": "POST", "path": "/Users", "body": dict(change.user)}
    path = user_path(change.scim_id)
    if change.action == "deactivate":
        return {"method": "PATCH", "path": path, "body": inactive_patch()}
    return {"method": "PUT", "path": path, "body": dict(change.user)}
