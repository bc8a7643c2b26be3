"""Values of people: which columns hold them, so that none gets into a YAML or SQL file.

Called by `explain.py` and `conditions.py`. Page: docs/reference/drafting.md, people.
"""

from __future__ import annotations

import re

_PERSONAL = re.compile(
    r"name|mail|street|address|addr$|phone|birth|dob|login|ssn|guardian|mother|father|contact"
    r"|principal|counselor|password|zip|medical|allerg"
)
# Names of things, which are no names of people.
_THINGS = re.compile(
    r"(school|course|term|role|org|class|section|district|file)s?_?name"
)


def is_personal(column: str) -> bool:
    """Whether a column, by its name, holds what belongs to one person."""
    name = column.lower()
    return bool(_PERSONAL.search(_THINGS.sub("", name)))
