"""`d118 findings`: the problems of the newest export or staged roster, no values.

Called by the command line; the work is in `workflows/findings.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from d118_pipelines.cli.context import AnyName, AsCsv, AsJson, Workbook
from d118_pipelines.cli.output import (
    gathered,
    save_workbook,
    say,
    show_lines,
    show_rows,
)
from d118_pipelines.config.project import Project
from d118_pipelines.workflows.all_feeds import named_feed
from d118_pipelines.workflows.audit_trail import record_export
from d118_pipelines.workflows.findings import findings_in
from d118_pipelines.workflows.provider_feed import ProviderFeed


def findings(
    target: AnyName,
    code: Annotated[str | None, typer.Option(help="Only this code.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: Workbook = None,
) -> None:
    """List the findings of the newest export or staged roster: code, key, field."""
    project = Project.here()
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
