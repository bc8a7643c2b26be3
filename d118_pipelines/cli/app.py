"""`d118`: the one command line. Exit codes: 0 done, 1 failed, 2 usage or configuration,
3 held for approval, 4 busy, 5 to 8 outages, 130 interrupted.

Called by the console script (`start.py`): the list of commands, and the edge where
errors become text and a code.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from d118_pipelines.cli import (
    alerts,
    audit,
    backup,
    compare,
    doctor,
    draft,
    explain,
    findings,
    folder,
    ledger,
    pause,
    plans,
    provider_entries,
    providers,
    prune,
    run,
    runs,
    secrets,
    serve,
    service,
    status,
    upgrade,
    users,
    webhooks,
)
from d118_pipelines.cli.interrupted import interrupted
from d118_pipelines.cli.output import as_typed, say, warn
from d118_pipelines.config.env_file import enter_folder, read_env_file
from d118_pipelines.config.project import Project
from d118_pipelines.errors import D118Error, NoFolderError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.log_level import set_log_level
from d118_pipelines.kernel.outages import NamedOutages


class _Commands(typer.core.TyperGroup):
    """The commands; Ctrl-C ends one with a sentence about what it had done."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises: D118Error with exit code 130 when interrupted."""
        since = utc_now()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise interrupted(Project.here(), sys.argv[1:], since) from None


app = typer.Typer(
    name="d118",
    cls=_Commands,
    help="Roster sync of a district: what went out, what is held, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        say(f"d118_pipelines {version('d118_pipelines')}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    project: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Work in this district's folder, with its .env and no variable of "
            "this shell.",
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Say which version.",
        ),
    ] = False,
) -> None:
    """Roster sync of a district: what went out, what is held, and why."""
    if project is not None:
        enter_folder(project)
    # Without a folder each command says so itself; init and --help need none.
    with suppress(NoFolderError):
        # Which follow the file's changes.
        if context.invoked_subcommand not in ("serve", "service"):
            read_env_file(Project.here().root)
    set_log_level()


app.command("init")(folder.init)
app.command("customize")(folder.customize)
app.command("diff")(folder.diff)
app.command("doctor")(doctor.doctor)
app.command("test-connection")(doctor.test_connection)
status.targets_app.command("draft")(draft.draft)
status.targets_app.command("add")(draft.add)
app.add_typer(status.targets_app, name="targets")
providers.providers_app.command("add")(provider_entries.add)
providers.providers_app.command("set")(provider_entries.set_values)
providers.providers_app.command("remove")(provider_entries.remove)
app.add_typer(providers.providers_app, name="providers")
app.command("run")(run.run)
app.command("resend")(run.resend)
app.command("plan")(plans.plan)
app.command("preview")(plans.preview)
app.command("findings")(findings.findings)
app.command("approve")(plans.approve)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.command("undo")(providers.undo)
app.add_typer(providers.conflicts_app, name="conflicts")
app.command("status")(status.status)
app.add_typer(runs.runs_app, name="runs")
app.command("explain")(explain.explain)
app.command("compare")(compare.compare)
app.add_typer(ledger.ledger_app, name="ledger")
app.command("audit")(audit.audit)
app.command("prune")(prune.prune)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("unlock")(backup.unlock_copy)
app.add_typer(secrets.secrets_app, name="secrets")
app.add_typer(alerts.alerts_app, name="alerts")
app.add_typer(webhooks.webhooks_app, name="webhooks")
app.command("service")(service.service)
app.add_typer(users.users_app, name="users")
app.add_typer(users.tokens_app, name="tokens")
app.command("serve")(serve.serve)
app.command("upgrade")(upgrade.upgrade)


def main() -> None:
    """Run one command and leave with its exit code."""
    try:
        with NamedOutages():
            app(prog_name="d118")
    except D118Error as exc:
        warn(as_typed(str(exc)))
        sys.exit(exc.exit_code)
