"""`d118 secrets`: keys and tokens for `config/providers.yaml`."""

from __future__ import annotations

import sys

import typer

from d118_pipelines.cli.output import say
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import FILE
from d118_pipelines.config.secrets import (
    encrypted,
    new_key,
    rotate_file,
    unreadable_tokens,
)
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state import audit
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.runs.run import account

secrets_app = typer.Typer(
    help="Secrets of providers: keys, encryption, rotation.", no_args_is_help=True
)


@secrets_app.command("new-key")
def make_key() -> None:
    """Print a fresh key for ENCRYPTION_KEY or the file of ENCRYPTION_KEY_FILE."""
    say(new_key())


@secrets_app.command("encrypt")
def encrypt() -> None:
    """Read a secret (without echo, or from a pipe) and print its fernet value."""
    if sys.stdin.isatty():
        value = typer.prompt("Secret", hide_input=True, confirmation_prompt=True)
    else:
        value = sys.stdin.readline().rstrip("\n")
    if not value:
        raise ConfigurationError("There is nothing to encrypt.")
    say(encrypted(value))


@secrets_app.command("rotate")
def rotate() -> None:
    """Encrypt every fernet value again with the newest key; nothing else changes."""
    project = Project.here()
    path = project.root / FILE
    count = rotate_file(path)
    audit.record_alone(
        state_database(project),
        actor=account(),
        action="rotate secrets",
        subject=FILE,
        detail=f"{count} values",
    )
    say(f"{count} values of {shown_path(path)} now use the newest key.")


@secrets_app.command("verify")
def verify() -> None:
    """Check that the keys that are set can decrypt every fernet value."""
    path = Project.here().root / FILE
    lines = unreadable_tokens(path)
    if lines:
        raise ConfigurationError(
            f"{len(lines)} values cannot be decrypted with any key.",
            where=", ".join(f"{shown_path(path)}:{line}" for line in lines),
            next_step="Encrypt each one again: d118 secrets encrypt",
        )
    say("Every fernet value can be decrypted.")
