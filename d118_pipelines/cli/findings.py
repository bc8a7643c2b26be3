"""`d118 findings`: the problems of the newest export or staged roster, no values.

Called by the command line; the work is in `workflows/monitoring/findings.py`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsCsv, AsJson, NameOrAll, Workbook
from d118_pipelines.cli.output import (
    gathered,
    save_workbook,
    say,
    show_lines,
    show_rows,
)
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.workflows.monitoring.all_feeds import (
    enabled_feeds,
    load_feeds,
    named_feed,
)
from d118_pipelines.workflows.monitoring.findings import Rows, findings_in
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed
from d118_pipelines.workflows.runs.audit_trail import record_export

_COUNTED = ("name", "code", "records")


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
    feed = named_feed(project, target)
    counted, rows = findings_in(feed, code)
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
    if rows and isinstance(feed, ProviderFeed):
        say("What each code means and what to do: docs/reference/rule_codes.md")


def _show_all(
    project: Project, code: str | None, *, as_json: bool, as_csv: bool
) -> None:
    """A line per code of each target and provider that may run and has a plan."""
    rows: Rows = []
    for feed in enabled_feeds(project, load_feeds(project)):
        with suppress(ConfigurationError):  # nothing ran yet
            counted, _ = findings_in(feed, code)
            named = ({"name": feed.name, **row} for row in counted)
            rows += [{name: row[name] for name in _COUNTED} for row in named]
    show_rows("Findings", rows, as_json=as_json, as_csv=as_csv, empty="No finding.")
    if rows and not (as_json or as_csv):
        say("The records of one: d118 findings NAME")
