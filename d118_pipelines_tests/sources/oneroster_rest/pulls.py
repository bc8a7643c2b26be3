"""One pull from a loopback service, and what is left of it.

Belongs here: making the source and running it. Not here: what has to hold.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from d118_pipelines.sources.http.client import Auth, HttpClient
from d118_pipelines.sources.oneroster_rest.paging import Paging
from d118_pipelines.sources.oneroster_rest.rest import OneRosterSource
from d118_pipelines.sources.pull import Pull, run_pull
from d118_pipelines_tests.support.oneroster_server import OneRosterServer, Quirks, Row
from d118_pipelines_tests.support.scripted_http import VirtualClock

NOW = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)


class PullCase:
    """A service, its source and the folder of its pulls."""

    def __init__(
        self,
        server: OneRosterServer,
        folder: Path,
        *,
        auth: Auth | None = None,
        page_size: int = 1000,
        paging: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.server, self.folder = server, folder / "raw" / "oak"
        self.clock = VirtualClock()
        client = HttpClient(
            server.url, auth=auth, clock=self.clock, jitter=lambda longest: longest
        )
        settings = Paging(page_size=page_size, **(paging or {}))
        self.source = OneRosterSource("Oak", client, paging=settings, **options)

    def pull(self) -> Pull:
        return run_pull(
            self.source, self.folder, provider="oak", run_id="0123456789", now=NOW
        )

    def is_anything_stored(self) -> bool:
        return self.folder.exists() and any(self.folder.iterdir())


@contextmanager
def users_only(
    users: Sequence[Row], quirks: Quirks, folder: Path, **options: Any
) -> Iterator[PullCase]:
    """A service that has nothing but users."""
    paths = {"users": "/users"}
    with OneRosterServer({"users": users}, quirks=quirks) as server:
        yield PullCase(server, folder, **{"paths": paths, **options})


def records(pull: Pull, collection: str) -> list[dict[str, Any]]:
    """The rows of one stored collection, in their order."""
    table = pq.read_table(pull.rows_file(collection))
    return [json.loads(text) for text in table.column("record").to_pylist()]


def identifiers(pull: Pull, collection: str = "users") -> list[str]:
    return [row["sourcedId"] for row in records(pull, collection)]


def findings(pull: Pull) -> dict[str, int]:
    """Code of each finding and how often it was met."""
    if not pull.findings_file.exists():
        return {}
    rows = pq.read_table(pull.findings_file).to_pylist()
    return {row["code"]: row["count"] for row in rows}
