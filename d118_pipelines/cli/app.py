"""`d118`: the one command line. Exit codes: 0 done, 1 failed, 2 usage or configuration,
3 held for approval, 4 busy.

The console script `d118` starts here: the list of commands, and the edge where errors
become text and a code.
"""

from __future__ import annotations

import sys

import typer

from d118_pipelines.cli import (
    compare,
    doctor,
    explain,
    findings,
    ledger,
    plans,
    providers,
    run,
    secrets,
    status,
    upgrade,
)
from d118_pipelines.cli.output import warn
from d118_pipelines.config.env_file import read_env_file
from d118_pipelines.config.project import Project
from d118_pipelines.errors import D118Error

app = typer.Typer(
    name="d118",
    help="Roster sync of District 118: what went out, what is held, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("doctor")(doctor.doctor)
app.command("test-connection")(doctor.test_connection)
app.add_typer(status.targets_app, name="targets")
app.add_typer(providers.providers_app, name="providers")
app.command("run")(run.run)
app.command("resend")(run.resend)
app.command("plan")(plans.plan)
app.command("findings")(findings.findings)
app.command("approve")(plans.approve)
app.command("undo")(providers.undo)
app.add_typer(providers.conflicts_app, name="conflicts")
app.command("status")(status.status)
app.command("runs")(run.runs)
app.command("explain")(explain.explain)
app.command("compare")(compare.compare)
app.add_typer(ledger.ledger_app, name="ledger")
app.add_typer(secrets.secrets_app, name="secrets")
app.command("upgrade")(upgrade.upgrade)


def main() -> None:
    """Run one command and leave with its exit code."""
    try:
        read_env_file(Project.here().root)
        app(prog_name="d118")
    except D118Error as exc:
        warn(str(exc))
        sys.exit(exc.exit_code)
