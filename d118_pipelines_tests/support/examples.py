"""How much of a wide test `make test` tries; called by the tests with the widest loops.

`make test-long` runs every property again, with the profile `long`, which
`conftest.py` knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

LONG = "long"


def examples(few: int, many: int) -> int:
    """The number for `make test`, or the one for `make test-long`."""
    return many if settings.get_current_profile_name() == LONG else few


def some(values: Iterable[Any], *first: Any) -> list[Any]:
    """Parameters of a test: `first` for `make test`, the others for `make test-long`."""
    return [
        v if v in first else pytest.param(v, marks=pytest.mark.long) for v in values
    ]
