"""`d118 alerts`: whether alerts arrive, which are open, and the morning digest.

Called by the command line; when one goes out is in `workflows/monitoring/alerts.py`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_list
from d118_pipelines.config.project import Project
from d118_pipelines.delivery.messages import Alert
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.alerts import try_ways
from d118_pipelines.workflows.monitoring.all_feeds import enabled_feeds, load_feeds
from d118_pipelines.workflows.monitoring.digest import KIND, make_digest

alerts_app = typer.Typer(help="Who hears of problems.", no_args_is_help=True)


@alerts_app.callback()
def _alerts() -> None:
    """Who hears of problems."""


@alerts_app.command("test")
def alerts_test(as_json: AsJson = False) -> None:
    """Send a test alert by every configured way now, and say what came of it."""
    project = Project.here()
    name = project.district().name
    title = f"TEST: alerts of {name} arrive"
    alert = Alert("test", "", title, "Somebody ran: d118 alerts test")
    results = try_ways(project.district().alerts, alert)
    rows: list[dict[str, Any]] = [
        {"way": way, "result": "sent" if error is None else str(error)}
        for way, error in results
    ]
    empty = "No way is set up: ALERT_WEBHOOK_URL in .env, or alerts.email in config/district.yaml."
    show_list("Alerts", rows, as_json=as_json, empty=empty)
    if not results or any(error for _, error in results):
        raise typer.Exit(1)


@alerts_app.command("list")
def alerts_list(as_json: AsJson = False) -> None:
    """List what was told and is not over."""
    project, c = Project.here(), db.alerts.c
    wanted = sa.select(db.alerts).where(c.kind != KIND).order_by(c.sent_at.desc())
    with state_database(project).reading() as connection:
        found = connection.execute(wanted).all()
    rows = [
        {"since": project.local(row.sent_at), "kind": row.kind, "title": row.title}
        for row in found
    ]
    show_list("Open alerts", rows, as_json=as_json, empty="None.")


@alerts_app.command("digest")
def alerts_digest() -> None:
    """Print the digest as it would go out now; nothing is sent."""
    from d118_pipelines.instance import look

    project = Project.here()
    feeds = load_feeds(project)
    states, _, _ = look(project, enabled_feeds(project, feeds), feeds.broken)
    digest = make_digest(project, states, utc_now())
    say(f"{digest.title}\n\n{digest.text}")
