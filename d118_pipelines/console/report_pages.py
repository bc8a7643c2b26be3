"""Pages of what there is to correct, what was delivered, and who has which data.

Called by `app.py`. The same as `d118 findings`, `d118 ledger deliveries` and `d118
ledger disclosures`; what is taken away as a file is in the audit.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from d118_pipelines.console.feed_pages import known_feed
from d118_pipelines.console.identity import Admin, Reader, Sender
from d118_pipelines.console.rendering import page, to
from d118_pipelines.console.world import Here
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.csv_text import csv_text
from d118_pipelines.kernel.text import printable
from d118_pipelines.workflows.monitoring.findings import findings_in, to_correct
from d118_pipelines.workflows.people.disclosures import (
    lacking,
    last_posting,
    record_posting,
    register,
    shown,
    table_rows,
)
from d118_pipelines.workflows.runs.audit_trail import EXPORTED
from d118_pipelines.workflows.targets.deliveries import file_lines, newest_deliveries

routes = APIRouter(include_in_schema=False)
DELIVERIES = 50
SHOWN_FINDINGS = 500
_MEDIA = {"csv": "text/csv", "html": "text/html", "json": "application/json"}


@routes.get("/findings")
def findings(world: Here, caller: Reader) -> HTMLResponse:
    """What a person can correct, by whom."""
    found = to_correct(world.project, world.feeds)
    tables = {f"For {who}": rows for who, rows in found.items()}
    return page("findings.html", caller, title="Findings", tables=tables, name="")


@routes.get("/findings/{name}")
def findings_of(world: Here, caller: Reader, name: str) -> HTMLResponse:
    """The findings of one target or provider: codes, then records by their keys."""
    counted, rows = findings_in(known_feed(world, name))
    tables = {"Codes": counted, "Records": rows[:SHOWN_FINDINGS]}
    title = f"Findings of {name}"
    more = len(rows) - SHOWN_FINDINGS
    return page(
        *("findings.html", caller), title=title, tables=tables, name=name, more=more
    )


@routes.get("/findings/{name}/csv")
def findings_file(world: Here, caller: Reader, name: str) -> Response:
    """All of them as a file."""
    _, rows = findings_in(known_feed(world, name))
    world.record(caller.account, EXPORTED, name, f"findings, csv, {len(rows)} rows")
    return _file(csv_text(rows), "csv", f"findings_{name}")


@routes.get("/deliveries")
def deliveries(world: Here, caller: Reader, target: str = "") -> HTMLResponse:
    """The newest deliveries: files, bytes, hashes, what was read back."""
    name = known_feed(world, target).name if target else None
    found = newest_deliveries(world.project, name, limit=DELIVERIES)
    rows = [line for row in found for line in file_lines(world.project, row)]
    return page("deliveries.html", caller, rows=rows, target=target)


@routes.get("/register")
def disclosures(world: Here, caller: Admin) -> HTMLResponse:
    """Who got which data about how many people."""
    found = register(world.project, world.feeds)
    return page(
        "register.html",
        caller,
        rows=table_rows(found),
        lacking=lacking(found),
        posted=world.project.local(last_posting(world.project)),
    )


@routes.get("/register/{form}")
def register_file(
    world: Here, caller: Admin, form: Literal["csv", "html", "json", "markdown"]
) -> Response:
    """The register as a file."""
    found = register(world.project, world.feeds)
    world.record(caller.account, EXPORTED, "register", f"disclosure register, {form}")
    return _file(shown(found, form, world.project, utc_now()), form, "disclosures")


@routes.post("/register/posted")
def posted(world: Here, caller: Sender) -> Response:
    """Note that the register was posted today."""
    record_posting(world.project, now=utc_now(), account=caller.account)
    return to("/register")


def _file(text: str, form: str, name: str) -> Response:
    """A file to keep; a browser does not open it."""
    ending = "md" if form == "markdown" else form
    return Response(
        printable(text),
        media_type=_MEDIA.get(form, "text/plain"),
        headers={"content-disposition": f'attachment; filename="{name}.{ending}"'},
    )
