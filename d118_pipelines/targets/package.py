"""One zip archive of a set: the same files give the same bytes.

Called by `build.py`; the members are written by `render.py`.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from d118_pipelines.targets.model import Package

# The earliest time that the format knows; a real one would change the bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_CHUNK_BYTES = 1 << 20
_ORDINARY_FILE = 0o100644


def write_archive(package: Package, members: Sequence[Path], folder: Path) -> Path:
    """Write the archive with the members at its root, in their order; its path.

    A set that exceeds 4 GiB is written as ZIP64.
    """
    path = folder / package.archive
    path.touch(mode=0o600)
    deflated = package.compression == "deflate"
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for member in members:
            entry = zipfile.ZipInfo(member.name, _NO_TIME)
            entry.compress_type = method
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = _ORDINARY_FILE << 16
            entry.file_size = member.stat().st_size
            with member.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
    return path
