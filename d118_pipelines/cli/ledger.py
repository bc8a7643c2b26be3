"""`d118 ledger`: what was delivered, the imported watermark, entries to forget.

Called by the command line; the ledger is in `targets/ledger.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsCsv, AsJson, TargetName, named_target
from d118_pipelines.cli.output import (
    say,
    show_json,
    show_rows,
    show_table,
    show_text,
    warn,
)
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.ledger import import_seed, parse_watermark, remove_entry
from d118_pipelines.workflows.monitoring.all_feeds import load_feeds
from d118_pipelines.workflows.people.disclosures import (
    lacking,
    last_posting,
    record_posting,
    register,
    shown,
    table_rows,
)
from d118_pipelines.workflows.runs.audit_trail import record_export
from d118_pipelines.workflows.runs.run import account
from d118_pipelines.workflows.targets.deliveries import file_lines, newest_deliveries
from d118_pipelines.workflows.targets.destinations import resolve

ledger_app = typer.Typer(
    help="What was delivered and read back, per destination.", no_args_is_help=True
)


@ledger_app.command("deliveries")
def deliveries(
    target: Annotated[str | None, typer.Option(help="Only this target.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most this many.")] = 20,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List deliveries, newest first: files, bytes, SHA-256, what was read back."""
    project = Project.here()
    name = named_target(project, target).name if target else None
    found = newest_deliveries(project, name, limit=limit)
    if as_json:
        show_json([dict(row._mapping) for row in found])
        return
    rows = [line for row in found for line in file_lines(project, row)]
    empty = "Nothing has been delivered yet."
    show_rows("Deliveries", rows, as_json=False, as_csv=as_csv, empty=empty)


@ledger_app.command("disclosures")
def disclosures(
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="A page to post.")
    ] = False,
    html: Annotated[bool, typer.Option("--html", help="A web page to post.")] = False,
    posted: Annotated[
        bool,
        typer.Option("--posted", help="Record that the register was posted today."),
    ] = False,
) -> None:
    """Show who got which data about how many people, and why."""
    project = Project.here()
    if posted:
        record_posting(project, now=utc_now(), account=account())
    found = register(project, load_feeds(project))
    forms = {"json": as_json, "csv": as_csv, "markdown": markdown, "html": html}
    form = next((name for name, wanted in forms.items() if wanted), None)
    if form:
        record_export(project, "register", f"disclosure register, {form}")
        show_text(shown(found, form, project, utc_now()))
        return
    rows = table_rows(found)
    show_table("Disclosures", rows, empty="Nothing has been delivered yet.")
    for line in lacking(found):
        warn(line)
    day = project.local(last_posting(project))
    say(f"Last posted: {day:%Y-%m-%d}" if day else "Never posted.")


@ledger_app.command("seed")
def seed(
    target: TargetName,
    newest_dcid: Annotated[
        str,
        typer.Option(help="NewestDCID.txt of the old script, or its number; 0: none."),
    ],
    as_json: AsJson = False,
) -> None:
    """Import the old script's watermark for the target's present destination."""
    project = Project.here()
    wanted = named_target(project, target)
    if wanted.model.ledger.seed == "none":
        raise ConfigurationError(
            f"{target} takes no seed.",
            where=f"{wanted.path.name}, key ledger.seed",
            not_done="Nothing was imported.",
        )
    number = _watermark(newest_dcid)
    destination = resolve(project, wanted)
    with state_database(project).transaction() as connection:
        import_seed(
            connection,
            target=wanted.name,
            destination=destination.id,
            newest_dcid=number,
            now=utc_now(),
            account=account(),
        )
    if as_json:
        seeded = {"newest_dcid": number, "destination": destination.label}
        show_json({"target": target, **seeded})
        return
    say(
        f"Everybody with a DCID up to {number:,} counts as known to {target} at "
        f"{destination.label}.\nNow run: d118 run {target}"
    )


@ledger_app.command("remove")
def remove(
    target: TargetName,
    record_type: Annotated[str, typer.Argument(help="For example P or E.")],
    key: Annotated[str, typer.Argument(help="The record's key, for example 4001/2.")],
    identity: Annotated[
        str | None, typer.Option(help="Which one, if it was sent under several.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Forget a record that somebody removed at the vendor."""
    project = Project.here()
    wanted = named_target(project, target)
    with state_database(project).transaction() as connection:
        remove_entry(
            connection,
            target=wanted.name,
            destination=resolve(project, wanted).id,
            record_type=record_type,
            key=key,
            identity=identity,
            now=utc_now(),
            account=account(),
        )
    if as_json:
        show_json({"target": target, "record_type": record_type, "key": key})
        return
    say(f"{target} no longer counts {record_type} {key} as known to the vendor.")


def _watermark(text: str) -> int:
    path = Path(text)
    try:
        content = path.read_text(encoding="utf-8-sig") if path.is_file() else text
        return parse_watermark(content)
    except ValueError:
        raise ConfigurationError(
            "This is not a watermark.",
            where=text if path.is_file() else "--newest-dcid",
            rule="NewestDCID.txt has one whole number on its first line.",
            not_done="Nothing was imported.",
        ) from None
