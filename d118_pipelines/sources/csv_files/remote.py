"""Plain CSV files that lie in a folder of an SFTP server.

Given to `source.py` by `workflows/provider_sources.py`, which fetches them with it for the
time of one look or pull. Rule: docs/reference/csv_files.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.sources.csv_files.opened import too_large
from d118_pipelines.ssh.folder import SftpFolder

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings


@contextmanager
def fetched(
    settings: SftpSettings, *, max_file_size: int, scratch: Path
) -> Iterator[Path]:
    """A folder below `scratch` with the visible `.csv` files; nothing changes far away.

    Raises: what `SftpFolder` raises; IncompleteExtractError (csv.file_too_large) before a
    file of more than `max_file_size` bytes is fetched.
    """
    with scratch_folder(scratch) as folder:
        with SftpFolder(settings) as remote:
            for file in remote.files():
                if file.name.lower().endswith(".csv") and file.name[0] != ".":
                    if file.size_bytes > max_file_size:
                        raise too_large(file.name, file.size_bytes, max_file_size)
                    remote.download(file, folder / file.name)
        yield folder
