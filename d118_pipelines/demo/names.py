"""Made-up names, streets and towns of the demonstration district.

Used by `staff.py` and `students.py`.
"""

from __future__ import annotations

import random
import unicodedata

from d118_pipelines.demo.data import DATA

FIRST_NAMES: list[str] = DATA["first_names"]
LAST_NAMES: list[str] = DATA["last_names"]
TOWNS: list[tuple[str, str]] = DATA["towns"]


def street(rng: random.Random) -> str:
    """Return a house number and a street."""
    return f"{rng.randrange(1, 990)} {rng.choice(DATA['streets'])} {rng.choice(DATA['street_kinds'])}"


def phone(rng: random.Random) -> str:
    """Return a number of the range that is reserved for fiction."""
    return f"847-555-{rng.randrange(100, 200):04}"


def plain(text: str) -> str:
    """Return the lower-case ASCII letters of a name, as e-mail names use them."""
    replaced = text.lower().translate(str.maketrans("łø", "lo"))
    decomposed = unicodedata.normalize("NFKD", replaced)
    return "".join(c for c in decomposed if c.isascii() and c.isalnum())
