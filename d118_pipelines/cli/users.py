"""`d118 users` and `d118 tokens`: who may use the console.

Called by the command line. What an account is, is in `state/accounts.py`.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_list
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import accounts
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.runs.run import account as whoever_runs_this

users_app = typer.Typer(help="Accounts of the console.", no_args_is_help=True)
tokens_app = typer.Typer(
    help="Keys with which programs call the console.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="The account: an e-mail, or a short name.")]


@users_app.command("add")
def add(
    name: Name,
    role: Annotated[
        str, typer.Option(help=f"One of: {', '.join(accounts.ROLES)}.")
    ] = accounts.VIEWER,
    no_password: Annotated[
        bool,
        typer.Option("--no-password", help="Signs in with OpenID Connect only."),
    ] = False,
) -> None:
    """Make an account; the password is asked for, or read from a pipe."""
    password = None if no_password else _password()
    with state_database(Project.here()).transaction() as connection:
        made = accounts.add_account(
            connection, name, role, password, by=whoever_runs_this(), now=utc_now()
        )
    say(f"{made.name} may sign in as {made.role}.")


@users_app.command("passwd")
def passwd(name: Name) -> None:
    """Set a new password; the account is signed out everywhere."""
    project = Project.here()
    with state_database(project).reading() as connection:
        accounts.named_account(connection, name)
    password = _password()
    with state_database(project).transaction() as connection:
        accounts.set_password(
            connection, name, password, by=whoever_runs_this(), now=utc_now()
        )
    say(f"{name} has a new password; older sessions have ended.")


@users_app.command("remove")
def remove(name: Name) -> None:
    """Remove an account with its tokens; it is signed out at once."""
    with state_database(Project.here()).transaction() as connection:
        accounts.remove_account(connection, name, by=whoever_runs_this(), now=utc_now())
    say(f"{name} is removed.")


@users_app.command("list")
def list_users(as_json: AsJson = False) -> None:
    """List the accounts with their roles."""
    project = Project.here()
    with state_database(project).reading() as connection:
        found = accounts.all_accounts(connection)
    rows = [
        {
            "account": one.name,
            "role": one.role,
            "password": "yes" if one.has_password else "OpenID Connect only",
            "changed": project.local(one.changed_at),
        }
        for one in found
    ]
    empty = "No account yet: d118 users add NAME --role DISTRICT_ADMIN"
    show_list("Accounts of the console", rows, as_json=as_json, empty=empty)


@tokens_app.command("add")
def add_token(
    name: Name,
    label: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[
        str, typer.Option(help="read, or write: also start and change.")
    ] = "read",
    days: Annotated[
        int, typer.Option(min=1, max=730, help="It expires after so many days.")
    ] = 90,
) -> None:
    """Make a key for a program; it is shown this once. A viewer's key only reads."""
    with state_database(Project.here()).transaction() as connection:
        by, now = whoever_runs_this(), utc_now()
        token, key = accounts.add_token(
            connection, name, label, scope, days=days, by=by, now=now
        )
    say(f"Token {token.id}, {scope}, until {token.expires_at:%Y-%m-%d}:\n{key}")


@tokens_app.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """List the tokens, without their keys."""
    project = Project.here()
    with state_database(project).reading() as connection:
        found = accounts.all_tokens(connection)
    rows = [
        {
            "token": one.id,
            "account": one.account,
            "scope": one.scope,
            "until": project.local(one.expires_at),
            "for": one.label,
        }
        for one in found
    ]
    show_list("Tokens", rows, as_json=as_json, empty="No token yet.")


@tokens_app.command("remove")
def remove_token(
    token: Annotated[str, typer.Argument(help="The token's id.")],
) -> None:
    """Remove a token; its key is refused at once."""
    with state_database(Project.here()).transaction() as connection:
        accounts.remove_token(connection, token, by=whoever_runs_this(), now=utc_now())
    say(f"Token {token} is removed.")


def _password() -> str:
    if sys.stdin.isatty():
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        given = sys.stdin.readline().rstrip("\n")
    if not given:
        raise ConfigurationError(
            "There is no password.", not_done="Nothing was changed."
        )
    return str(given)
