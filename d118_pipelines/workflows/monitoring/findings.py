"""Findings of the newest export or staged roster, and who can correct what.

Called by `cli/findings.py`, the console and the digest; one person's are in
`explain.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.staging.staged import REFUSED_FILE, find_staged
from d118_pipelines.roster.store.runs import logged_codes, recent_runs
from d118_pipelines.sources.pull import find_pull
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import latest_plan
from d118_pipelines.targets.records import FINDING_COLUMNS, codes_counted, findings_of
from d118_pipelines.workflows.monitoring.all_feeds import Feeds
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed
from d118_pipelines.workflows.providers.vendor_file_feed import VendorFileFeed
from d118_pipelines.workflows.runs.admission import newest_plan
from d118_pipelines.workflows.runs.feed import Feed

DATA_ENTRY = "whoever enters the records"
_ROSTER_COLUMNS = (
    *("code", "level", "entity", "key", "field", "file", "line", "detail", "count"),
)
Rows = list[dict[str, Any]]


def findings_in(feed: Feed, code: str | None = None) -> tuple[Rows, Rows]:
    """How many records each code has, and the records: code, level, key, field, ...

    Of a target those of its newest export; of a provider those of its newest staged
    roster, or of what was refused since. code: only this one.
    Raises: ConfigurationError if there is none yet.
    """
    if isinstance(feed, ProviderFeed):
        return _of_roster(feed, code)
    stored = newest_plan(feed)
    with state_database(feed.project).reading() as connection:
        found = findings_of(connection, stored)
    chosen = [f for f in found if code in (None, f.code)]
    level = {f.code: f.level for f in chosen}
    counted = [
        {"code": name, "level": level[name], "records": number}
        for name, number in codes_counted(chosen).items()
    ]
    rows = [{name: getattr(f, name) for name in FINDING_COLUMNS} for f in chosen]
    return counted, rows


def _findings_file(feed: ProviderFeed) -> Path:
    """Of what was refused since, else of the newest. Raises: ConfigurationError if none."""
    is_files = isinstance(feed, VendorFileFeed)
    folder = feed.project.home / ("raw" if is_files else "staged") / feed.name
    if (folder / REFUSED_FILE).is_file():
        return folder / REFUSED_FILE
    newest = find_pull(folder) if is_files else find_staged(folder)
    if newest is None:
        what = "extract" if is_files else "staged roster"
        raise ConfigurationError(
            f"{feed.name} has no {what} yet.", next_step=f"d118 run {feed.name}"
        )
    return newest.findings_file


def _of_roster(feed: ProviderFeed, code: str | None) -> tuple[Rows, Rows]:
    path = _findings_file(feed)
    if not path.is_file():
        return [], []
    with closing(open_frames()) as duck:
        found = duck.execute(
            "SELECT code, severity, entity, external_id, field, source_file, "
            "source_line, detail, count FROM read_parquet(?) "
            "WHERE ?::VARCHAR IS NULL OR code = ? ORDER BY "
            "list_position(['fatal', 'reject', 'warn', 'info'], severity), "
            "code, entity, external_id, source_line, field",
            [str(path), code, code],
        ).fetchall()
    rows = [dict(zip(_ROSTER_COLUMNS, row, strict=True)) for row in found]
    records: Counter[str] = Counter()
    for row in rows:
        records[row["code"]] += row["count"]
    return [{"code": c, "records": n} for c, n in records.most_common()], rows


def to_correct(project: Project, feeds: Feeds) -> dict[str, Rows]:
    """What a person can correct, by whom: of, records, code, to_do.

    Errors and warnings alone; counts, no key.
    """
    by_whom: dict[str, Rows] = defaultdict(list)
    with state_database(project).reading() as connection:
        for target in feeds.targets:
            plan = latest_plan(connection, target.name)
            found = findings_of(connection, plan) if plan else []
            wanted = [one for one in found if one.level in ("error", "warning")]
            to_do = {one.code: one.todo for one in wanted}
            for code, number in codes_counted(wanted).items():
                known = target.model.codes.get(code)
                by_whom[known.who if known and known.who else DATA_ENTRY].append(
                    {"of": target.name, "records": number}
                    | {"code": code, "to_do": to_do[code]}
                )
        for provider in feeds.providers:
            rows, _ = recent_runs(connection, provider.id, limit=1)
            for code, level, number in (
                logged_codes(connection, rows[0]["id"]) if rows else ()
            ):
                if level in ("ERROR", "WARNING"):
                    by_whom[provider.model.name].append(
                        {"of": provider.id, "records": number}
                        | {"code": code, "to_do": ""}
                    )
    return by_whom
