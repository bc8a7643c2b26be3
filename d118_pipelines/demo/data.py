"""What the demonstration district is made from: `district.yaml`, and names out of it.

Used by every module of this room; what a key means is said in the file.
"""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path
from typing import Any

import yaml

DATA: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("district.yaml").read_text(encoding="utf-8")
)
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
