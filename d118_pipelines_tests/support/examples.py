"""How many examples a property is tried with; called by the tests of properties.

`make test-long` runs every property again, with the profile `long`, which
`conftest.py` knows.
"""

from __future__ import annotations

from hypothesis import settings

LONG = "long"


def examples(few: int, many: int) -> int:
    """The number for `make test`, or the one for `make test-long`."""
    return many if settings.get_current_profile_name() == LONG else few
