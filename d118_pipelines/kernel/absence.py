"""What it proves that a record is not in a collection.

Said by the sources (`sources/pull.py`), kept by staging, judged by the plan.
"""

from __future__ import annotations

from typing import Literal

# At once; after two pulls without the record; nothing.
Absence = Literal["proven", "ended", "never"]
