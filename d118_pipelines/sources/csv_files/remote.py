"""Plain CSV files that lie in a folder of an SFTP server.

Made by `workflows/provider_sources.py`; fetches them for the time of one look or pull,
which is `source.py`'s. Rule: docs/reference/csv_files.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import D118Error
from d118_pipelines.sources.csv_files.opened import too_large
from d118_pipelines.sources.csv_files.rules import COLLECTIONS
from d118_pipelines.sources.csv_files.source import CsvSource
from d118_pipelines.sources.pull import ConnectionReport, PullStore
from d118_pipelines.ssh.folder import SftpFolder

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings


class RemoteCsvSource:
    """A folder of an SFTP server as a RosterSource; nothing is changed there.

    source_of: the source of a local folder. max_file_size: bytes; a larger file is
    refused before it is fetched. scratch: where the files lie while they are read.
    """

    kind = "CSV"
    collections: Sequence[str] = COLLECTIONS

    def __init__(
        self,
        settings: SftpSettings,
        source_of: Callable[[Path], CsvSource],
        *,
        max_file_size: int,
        scratch: Path,
    ) -> None:
        self._settings, self._source_of = settings, source_of
        self._max_file_size, self._scratch = max_file_size, scratch

    def test(self) -> ConnectionReport:
        """Fetch the files and say what each was recognised as, without raising."""
        try:
            with self._fetched() as folder:
                return self._source_of(folder).test()
        except D118Error as exc:
            return ConnectionReport(False, exc.what, 0.0, {})

    def pull(self, store: PullStore) -> None:
        """Fetch and read. Raises: what `SftpFolder` and `CsvSource.pull` raise."""
        with self._fetched() as folder:
            self._source_of(folder).pull(store)

    @contextmanager
    def _fetched(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            with SftpFolder(self._settings) as remote:
                for file in remote.files():
                    if file.name.lower().endswith(".csv") and file.name[0] != ".":
                        if file.size_bytes > self._max_file_size:
                            most = self._max_file_size
                            raise too_large(file.name, file.size_bytes, most)
                        remote.download(file, Path(name) / file.name)
            yield Path(name)
