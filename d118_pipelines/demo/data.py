"""What the demonstration district is made from: `district.yaml`, read once.

Used by every module of this room; what a key means is said in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DATA: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("district.yaml").read_text(encoding="utf-8")
)
