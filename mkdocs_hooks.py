"""Links from docs/ to other files of the repository: on the site they are plain names."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)]+)\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with only those links that lead to another page."""
    depth = len(PurePosixPath(page.file.src_uri).parents) - 1
    return _LINK.sub(lambda found: _kept(found, depth), markdown)


def _kept(found: re.Match[str], depth: int) -> str:
    is_outside = found[2].count("../") > depth
    return found[1] if is_outside else found[0]
