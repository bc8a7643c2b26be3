"""Characters that no database keeps: NUL, and half of a surrogate pair.

Called by whoever stores text that others sent. Rule: docs/reference/staging.md,
`row.bad_character`.
"""

from __future__ import annotations

import re
from typing import Any

_BAD = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text without them; the same one where it has none."""
    return _BAD.sub("", text)


def clean_value(value: Any) -> Any:
    """A JSON value without them, its keys included."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(k): clean_value(v) for k, v in value.items()}
    if isinstance(value, list):
        return [clean_value(item) for item in value]
    return value
