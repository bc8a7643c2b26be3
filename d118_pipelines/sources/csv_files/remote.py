"""Plain CSV files that lie in a folder of an SFTP server.

Given to `source.py` and `vendor_file/source.py` by `workflows/provider_sources.py`, which
fetches them with it for the time of one look or pull. Rule: docs/reference/csv_files.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.sources.csv_files.opened import too_large
from d118_pipelines.ssh.folder import SftpFolder

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings


def is_csv(name: str) -> bool:
    """Whether it is the name of a visible `.csv` file."""
    return name.lower().endswith(".csv") and name[0] != "."


@contextmanager
def fetched(
    settings: SftpSettings,
    *,
    max_file_size: int,
    scratch: Path,
    wanted: Callable[[str], bool] = is_csv,
) -> Iterator[Path]:
    """A folder below `scratch` with the wanted files and their times.

    wanted: of a name; by default every visible `.csv` file. Nothing changes far away.

    Raises: what `SftpFolder` raises; IncompleteExtractError (csv.file_too_large) before a
    file of more than `max_file_size` bytes is fetched.
    """
    with scratch_folder(scratch) as folder:
        with SftpFolder(settings) as remote:
            for file in remote.files():
                if wanted(file.name):
                    if file.size_bytes > max_file_size:
                        raise too_large(file.name, file.size_bytes, max_file_size)
                    local = folder / file.name
                    remote.download(file, local)
                    os.utime(local, (file.mtime_seconds, file.mtime_seconds))
        yield folder
