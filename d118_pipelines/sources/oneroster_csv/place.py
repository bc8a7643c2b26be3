"""Where a provider's set is: on this machine, or in a folder of an SFTP server.

Made by `workflows/providers/provider_sources.py`; `container.py` opens what was fetched
here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.oneroster_csv.container import (
    Container,
    Member,
    find_set,
    open_container,
)
from d118_pipelines.sources.oneroster_csv.findings import fatal
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.ssh.folder import RemoteFile, SftpFolder

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings

GLANCE_BYTES = 65_536


class Place(Protocol):
    """A place where sets arrive."""

    def local_copy(self, folder: Path, limits: Limits) -> AbstractContextManager[Path]:
        """The set on this machine; `folder` may hold a copy until the end."""

    def glance(
        self, limits: Limits, findings: Findings
    ) -> AbstractContextManager[Container | None]:
        """Names, manifest and headers; None for an archive on a server."""


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A zip archive or a folder; in a folder the archive `zip_name`, or the files."""

    path: Path
    zip_name: str | None = None

    @contextmanager
    def local_copy(self, folder: Path, limits: Limits) -> Iterator[Path]:
        """The set where it is. Raises: IncompleteExtractError."""
        yield find_set(self.path, self.zip_name)

    @contextmanager
    def glance(self, limits: Limits, findings: Findings) -> Iterator[Container | None]:
        """The set itself. Raises: IncompleteExtractError."""
        found = find_set(self.path, self.zip_name)
        with open_container(found, findings, limits) as container:
            yield container


@dataclass(frozen=True, slots=True)
class SftpPlace:
    """The same in a folder of an SFTP server; `has_manifest`: sets come with one."""

    settings: SftpSettings
    zip_name: str | None = None
    has_manifest: bool = True

    @contextmanager
    def local_copy(self, folder: Path, limits: Limits) -> Iterator[Path]:
        """Download what is needed, each file checked against the listing.

        Raises: what `SftpFolder` raises, and IncompleteExtractError.
        """
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as name:
            target = Path(name)
            with SftpFolder(self.settings) as remote:
                for file in self._wanted(remote.files(), limits):
                    remote.download(file, target / file.name)
            yield find_set(target, self.zip_name)

    @contextmanager
    def glance(self, limits: Limits, findings: Findings) -> Iterator[Container | None]:
        """The beginnings of the files. Raises: as `local_copy`."""
        with SftpFolder(self.settings) as remote:
            files = self._wanted(remote.files(), limits)
            if files[0].name.lower().endswith(".zip"):
                yield None
                return
            members = {file.name: _beginning(remote, file) for file in files}
            yield Container(members)

    def _wanted(self, files: list[RemoteFile], limits: Limits) -> list[RemoteFile]:
        """The archive, or all CSV files; sizes are judged before anything is read."""
        names = {file.name for file in files}
        tables = [file for file in files if file.name.lower().endswith(".csv")]
        archives = [file for file in files if file.name.lower().endswith(".zip")]
        if self.zip_name is not None:
            archives = [file for file in files if file.name == self.zip_name]
        wanted, limit = tables, limits.max_entry_bytes
        is_set = "manifest.csv" in names or (tables and not self.has_manifest)
        if self.zip_name is not None or not is_set:
            wanted, limit = archives, limits.max_compressed_bytes
            if len(archives) != 1:
                what = "The folder has no manifest.csv and not one archive."
                fatal("bundle.manifest_missing", what, file=self.settings.where)
        for file in wanted:
            if file.size_bytes > limit:
                fatal("zip.too_large", "A file is larger than allowed.", file=file.name)
        if sum(file.size_bytes for file in wanted) > limits.max_total_bytes:
            fatal("zip.too_large", "The files together are too large.")
        return wanted


def _beginning(remote: SftpFolder, file: RemoteFile) -> Member:
    def chunks() -> Iterator[bytes]:
        yield remote.read_start(file.name, GLANCE_BYTES)

    return Member(file.name, file.size_bytes, chunks)
