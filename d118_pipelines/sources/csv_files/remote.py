"""Plain CSV files that lie in a folder of an SFTP server.

Given to `source.py` and `vendor_file/source.py` by
`workflows/providers/provider_sources.py`, which fetches them with it for the time of
one look or pull. Rule: docs/reference/csv_files.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.sources.csv_files.opened import too_large
from d118_pipelines.ssh.folder import RemoteFile, SftpFolder

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings


def is_csv(file: RemoteFile) -> bool:
    """Whether it is a visible `.csv` file."""
    return file.name.lower().endswith(".csv") and file.name[0] != "."


def local_files(folder: Path) -> list[RemoteFile]:
    """The same of a folder on this machine as `SftpFolder.files` says of one far away."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            found.append(RemoteFile(path.name, stat.st_size, int(stat.st_mtime)))
    return found


@contextmanager
def fetched(
    settings: SftpSettings,
    *,
    max_file_size: int,
    scratch: Path,
    wanted: Callable[[RemoteFile], bool] = is_csv,
) -> Iterator[Path]:
    """A folder below `scratch` with the wanted files and their times.

    wanted: by default every visible `.csv` file. Nothing changes far away.

    Raises: what `SftpFolder` raises; IncompleteExtractError (csv.file_too_large) before
    a file of more than `max_file_size` bytes is fetched.
    """
    with scratch_folder(scratch) as folder:
        with SftpFolder(settings) as remote:
            for file in remote.files():
                if wanted(file):
                    if file.size_bytes > max_file_size:
                        raise too_large(file.name, file.size_bytes, max_file_size)
                    local = folder / file.name
                    remote.download(file, local)
                    os.utime(local, (file.mtime_seconds, file.mtime_seconds))
        yield folder
