"""One zip archive of a set: the same files give the same bytes.

Called by `build.py`; the members are written by `render.py`.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from d118_pipelines.targets.model import Package

_CHUNK_BYTES = 1 << 20
_ORDINARY_FILE = 0o100644
_ZIP64_BYTES = 2_000_000_000
# A fifth of the time of the usual level 6; the archive is a quarter larger.
_LEVEL = 1


def write_archive(package: Package, members: Sequence[Path], folder: Path) -> Path:
    """Write the archive with the members at its root, in their order; its path.

    A set that exceeds 4 GiB is written as ZIP64.
    """
    path = folder / package.archive
    path.touch(mode=0o600)
    deflated = package.compression == "deflate"
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method, compresslevel=_LEVEL) as archive:
        for member in members:
            is_large = member.stat().st_size > _ZIP64_BYTES
            with (
                member.open("rb") as source,
                # A name alone gets the earliest time that the format knows: a real one
                # would change the bytes.
                archive.open(member.name, "w", force_zip64=is_large) as target,
            ):
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
            archive.getinfo(member.name).external_attr = _ORDINARY_FILE << 16
    return path
