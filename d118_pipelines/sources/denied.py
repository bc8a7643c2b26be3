"""Fields that are never kept, whatever the source sends: they are dropped while reading.

Called by `pull.py` and the readers of files. Rule: docs/reference/roster_sync.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_DENIED = re.compile(
    r"^(password|passwd|pass(word)?hash|ssn|social_?security(_?(number|no))?"
    r"|medical\w*|health_?\w*|allerg\w*|disability\w*|student_?ssn|staff_?ssn"
    r"|teacher_?ssn|secret)$"
)


def is_denied(name: str) -> bool:
    """Whether a field of this name may not be stored; case and blanks do not matter."""
    plain = re.sub(r"[\s.-]+", "_", name.strip().lower())
    last = plain.rsplit("metadata_", 1)[-1]
    return bool(_DENIED.match(last))


def without_denied(value: Any) -> Any:
    """The same JSON value without denied fields, at any depth."""
    if isinstance(value, Mapping):
        return {k: without_denied(v) for k, v in value.items() if not is_denied(str(k))}
    if isinstance(value, list):
        return [without_denied(item) for item in value]
    return value
