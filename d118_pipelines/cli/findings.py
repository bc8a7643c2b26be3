"""`d118 findings`: the problems of the newest export or staged roster, no values.

Called by the command line; one person's are in `explain.py`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import (
    AsCsv,
    AsJson,
    NameOrAll,
    Workbook,
    find_provider,
)
from d118_pipelines.cli.output import (
    gathered,
    save_workbook,
    say,
    show_lines,
    show_rows,
)
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider, VendorFileProvider
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.staging.staged import REFUSED_FILE, find_staged
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.records import FINDING_COLUMNS, codes_counted, findings_of
from d118_pipelines.workflows.admission import newest_plan
from d118_pipelines.workflows.all_feeds import enabled_feeds, load_feeds, named_feed
from d118_pipelines.workflows.audit_trail import record_export
from d118_pipelines.workflows.feed import Feed
from d118_pipelines.workflows.vendor_files import findings_file

_ROSTER_COLUMNS = (
    *("code", "level", "entity", "key", "field", "file", "line", "detail", "count"),
)
_COUNTED = ("name", "code", "records")
Rows = list[dict[str, Any]]


def findings(
    target: NameOrAll = None,
    code: Annotated[str | None, typer.Option(help="Only this code.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: Workbook = None,
) -> None:
    """List the findings of the newest export or staged roster: code, key, field.

    Without a name: how many each target and provider has.
    """
    project = Project.here()
    if target is None:
        _show_all(project, code, as_json=as_json, as_csv=as_csv)
        return
    provider = find_provider(project, target)
    if provider is None:
        counted, rows = _of_export(named_feed(project, target), code)
    else:
        counted, rows = _of_roster(project, provider, code)
    title = f"Findings of {target}"
    form = "xlsx" if xlsx else "json" if as_json else "csv" if as_csv else ""
    if form:
        record_export(project, target, f"findings, {form}", f"{len(rows)} rows")
    if xlsx:
        save_workbook(xlsx, title, rows)
        return
    if as_json or as_csv:
        show_rows(title, rows, as_json=as_json, as_csv=as_csv)
        return
    show_lines(title, counted, empty="No finding.")
    if rows:
        show_lines("\nRecords", gathered(rows, "what", "code", "key"))
    if rows and provider:
        say("What each code means and what to do: docs/reference/rule_codes.md")


def _show_all(
    project: Project, code: str | None, *, as_json: bool, as_csv: bool
) -> None:
    """A line per code of each target and provider that may run and has a plan."""
    rows: Rows = []
    for feed in enabled_feeds(project, load_feeds(project)):
        provider = find_provider(project, feed.name)
        with suppress(ConfigurationError):  # nothing ran yet
            counted, _ = (
                _of_roster(project, provider, code)
                if provider
                else _of_export(feed, code)
            )
            named = ({"name": feed.name, **row} for row in counted)
            rows += [{name: row[name] for name in _COUNTED} for row in named]
    show_rows("Findings", rows, as_json=as_json, as_csv=as_csv, empty="No finding.")
    if rows and not (as_json or as_csv):
        say("The records of one: d118 findings NAME")


def _of_export(feed: Feed, code: str | None) -> tuple[Rows, Rows]:
    """How many records each code has, and the records."""
    stored = newest_plan(feed)
    with state_database(feed.project).transaction() as connection:
        found = findings_of(connection, stored)
    chosen = [f for f in found if code in (None, f.code)]
    level = {f.code: f.level for f in chosen}
    counted = [
        {"code": name, "level": level[name], "records": number}
        for name, number in codes_counted(chosen).items()
    ]
    rows = [{name: getattr(f, name) for name in FINDING_COLUMNS} for f in chosen]
    return counted, rows


def _findings_of_roster(project: Project, provider: Provider) -> Path | None:
    folder = project.home / "staged" / provider.id
    if (folder / REFUSED_FILE).is_file():
        return folder / REFUSED_FILE
    staged = find_staged(folder)
    return staged.findings_file if staged else None


def _of_roster(
    project: Project, provider: Provider, code: str | None
) -> tuple[Rows, Rows]:
    """The same of the provider's newest files or roster, or of what was refused since."""
    if isinstance(provider.model, VendorFileProvider):
        path, what = findings_file(project, provider), "extract"
    else:
        path, what = _findings_of_roster(project, provider), "staged roster"
    if path is None:
        raise ConfigurationError(
            f"{provider.id} has no {what} yet.", next_step=f"d118 run {provider.id}"
        )
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
