"""Whether a provider of files has something new: the question its sensor asks.

Called by `sensors.py`, which starts the run. What a complete set is, is in
`sources/oneroster_csv/arrival.py` and `sources/csv_files/arrival.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import CsvProvider, OneRosterCsvProvider, Provider
from d118_pipelines.workflows.provider_sources import (
    assumed_manifest,
    local_folder,
    sftp_login,
)

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one look found: `cursor` for the next one, a run key if all is there.

    reason: why nothing is started; holds no value out of a file.
    """

    cursor: str
    run_key: str | None
    reason: str


def is_watched(provider: Provider) -> bool:
    """Whether the provider's files are looked for between its scheduled runs."""
    return isinstance(provider.model, OneRosterCsvProvider | CsvProvider)


def look_for_files(project: Project, provider: Provider, cursor: str) -> Arrival:
    """Look once. Raises: ConfigurationError, and what an SFTP server's refusal raises."""
    model = provider.model
    assert isinstance(model, OneRosterCsvProvider | CsvProvider)
    login = sftp_login(project, provider)
    if login is not None:
        return _look_far(login, cursor)
    folder = local_folder(project, provider)
    if isinstance(model, CsvProvider):
        from d118_pipelines.sources.csv_files.arrival import look

        found = look(folder, cursor)
        return Arrival(
            found.cursor, found.run_key, "no files, or they are still changing"
        )
    from d118_pipelines.sources.oneroster_csv.arrival import look_for_set

    seen = look_for_set(
        folder,
        cursor,
        file_names=model.config.fileNames,
        assumed=assumed_manifest(model.config),
    )
    key = seen.arrived.content_hash if seen.arrived else None
    return Arrival(seen.state, key, seen.reason)


def _look_far(login: SftpSettings, cursor: str) -> Arrival:
    """By names, sizes and times: a set far away is opened by the run that fetches it."""
    from d118_pipelines.ssh.folder import SftpFolder

    with SftpFolder(login) as remote:
        files = sorted(
            (f.name, f.size_bytes, f.mtime_seconds)
            for f in remote.files()
            if f.name.lower().endswith((".csv", ".zip"))
        )
    now = json.dumps(files)
    if not files or now != cursor:
        return Arrival(now, None, "no files, or they have changed since the last check")
    return Arrival(now, hashlib.sha256(now.encode()).hexdigest(), "")
