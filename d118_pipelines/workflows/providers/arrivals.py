"""Whether a provider of files has something new: the question its sensor asks.

Called by `sensors.py`, which starts the run or tells why nobody can look; `d118 status`
shows that too. What a complete set is, is in
`sources/oneroster_csv/arrival.py` and `sources/csv_files/arrival.py`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from d118_pipelines.config.project import Project
from d118_pipelines.config.provider_types import VendorTable
from d118_pipelines.config.providers import (
    CsvProvider,
    OneRosterCsvProvider,
    Provider,
    VendorFileProvider,
)
from d118_pipelines.delivery.messages import Alert
from d118_pipelines.errors import AuthenticationError, D118Error, RetriableError
from d118_pipelines.kernel.clock import tick
from d118_pipelines.workflows.providers.provider_sources import (
    assumed_manifest,
    local_folder,
    sftp_login,
)

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings


UNREACHED_LOOKS = 60
"""A server that does not answer is told after so many looks, one a minute."""


@dataclass(frozen=True, slots=True)
class FailedLook:
    """Why nobody can look for a provider's files; kept until a look succeeds.

    since, at: the first and the last of `looks` failures in a row, in UTC. what: the
    first line of the error, text: all of it. is_refused: the login was. is_unreached:
    the server did not answer, so the next look may well succeed.
    """

    since: str
    at: str
    looks: int
    what: str
    text: str
    is_refused: bool
    is_unreached: bool

    @property
    def may_lock(self) -> bool:
        """Whether the next look is left out: refused logins lock accounts.

        Looks 1, 2, 4 ... 64 log in, then every 64th.
        """
        number = self.looks + 1
        return self.is_refused and number & (number - 1) > 0 and number % 64 > 0

    def alert(self, provider: Provider, zone: ZoneInfo) -> Alert | None:
        """The message about it; None while the server may still come back in time.

        That is until the provider's schedule was due, or for `UNREACHED_LOOKS`.
        """
        model, name, cause = provider.model, provider.id, self.what
        if self.is_unreached:
            since, at = map(dt.datetime.fromisoformat, (self.since, self.at))
            zone = ZoneInfo(model.timezone) if model.timezone else zone
            due = tick(model.schedule, since, zone)
            if self.looks < UNREACHED_LOOKS and (due is None or due > at):
                return None
            cause = "not reached"
        title = f"FAILED: {name}; nobody can look for its files"
        return Alert(
            "failed", f"files of {name}: {cause}", title, self.text, (name,), ""
        )


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
    watched = OneRosterCsvProvider | CsvProvider | VendorFileProvider
    return isinstance(provider.model, watched)


def failed_look(project: Project, provider: str) -> FailedLook | None:
    """What keeps the provider's sensor from looking now, or None."""
    path = _note(project, provider)
    return FailedLook(**json.loads(path.read_bytes())) if path.exists() else None


def watch_files(
    project: Project, provider: Provider, cursor: str, now: dt.datetime
) -> Arrival | FailedLook:
    """Look once, and keep why nobody can. Rule: docs/reference/delivery.md, section 8."""
    path, last = _note(project, provider.id), failed_look(project, provider.id)
    at = now.astimezone(dt.UTC).isoformat()
    looks = last.looks + 1 if last else 1
    try:
        if last and last.may_lock:
            failed = replace(last, at=at, looks=looks)
        else:
            arrival = look_for_files(project, provider, cursor)
            path.unlink(missing_ok=True)
            return arrival
    except D118Error as exc:
        failed = FailedLook(
            since=last.since if last else at,
            at=at,
            looks=looks,
            what=exc.what,
            text=str(exc),
            is_refused=isinstance(exc, AuthenticationError),
            is_unreached=isinstance(exc, RetriableError),
        )
    path.write_text(json.dumps(asdict(failed)), encoding="utf-8")
    return failed


def _note(project: Project, provider: str) -> Path:
    return project.folder("looks") / f"{provider}.json"


def look_for_files(project: Project, provider: Provider, cursor: str) -> Arrival:
    """Look once. Raises: ConfigurationError, and what an SFTP server's refusal raises."""
    model = provider.model
    login = sftp_login(project, provider)
    if isinstance(model, VendorFileProvider):
        files = _far(login) if login else _near(local_folder(project, provider))
        return _look_for_declared(model.config.files, files, cursor)
    assert isinstance(model, OneRosterCsvProvider | CsvProvider)
    if login is not None:
        sets = [one for one in _far(login) if one[0].lower().endswith((".csv", ".zip"))]
        return _look_at_stamps(sets, cursor)
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


_Stamp = tuple[str, int, float]  # name, size, time


def _far(login: SftpSettings) -> list[_Stamp]:
    """By names, sizes and times: a set far away is opened by the run that fetches it."""
    from d118_pipelines.ssh.folder import SftpFolder

    with SftpFolder(login) as remote:
        return sorted((f.name, f.size_bytes, f.mtime_seconds) for f in remote.files())


def _near(folder: Path) -> list[_Stamp]:
    """The files of a folder here; none if it is not there."""
    paths = folder.iterdir() if folder.is_dir() else ()
    found = [(path.name, path.stat()) for path in paths if path.is_file()]
    return [(name, stat.st_size, stat.st_mtime) for name, stat in found]


def _look_for_declared(
    tables: Mapping[str, VendorTable], files: Sequence[_Stamp], cursor: str
) -> Arrival:
    """Every declared file must be there; whatever else lies in the folder never counts.

    A file that came again with the same rows is news: its time says how old they are.
    """
    from d118_pipelines.sources.vendor_file.source import is_wanted

    newest: list[_Stamp] = []
    for table in tables.values():
        found = [one for one in files if is_wanted(one[0], table.file)]
        if not found:
            return Arrival("", None, f"{table.file} is missing")
        newest.append(max(found, key=lambda one: (one[2], one[0])))
    return _look_at_stamps(newest, cursor)


def _look_at_stamps(files: Sequence[_Stamp], cursor: str) -> Arrival:
    """A run key if the look before saw the same names, sizes and times."""
    now = json.dumps(files)
    if not files or now != cursor:
        return Arrival(now, None, "no files, or they have changed since the last check")
    return Arrival(now, hashlib.sha256(now.encode()).hexdigest(), "")
