"""`d118 providers add|set|remove`: the entries of `config/providers.yaml`, from the shell.

Called by the command line; the console does the same through
`workflows/providers/provider_changes.py`. Rule: docs/reference/providers.md, by
command.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import ProviderName, named_provider
from d118_pipelines.cli.output import say
from d118_pipelines.config.crons import PRESETS
from d118_pipelines.config.project import Project
from d118_pipelines.config.provider_forms import (
    TYPES,
    Field,
    config_of,
    form_of,
    is_secret,
    put_value,
    typed_value,
)
from d118_pipelines.config.providers import load_providers
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.processes import code_sockets
from d118_pipelines.workflows.monitoring.connection_test import (
    provider_beside,
    try_provider,
)
from d118_pipelines.workflows.providers.provider_changes import (
    add_provider,
    change_provider,
    remove_provider,
)
from d118_pipelines.workflows.runs.run import account

_NOT_SAVED = "Nothing was saved."
_KEYS = frozenset({"type", "name", "config", "schedule", "enabled"})
_ENTRY = '{"type": "CLEVER", "name": "...", "config": {...}, "schedule": "daily"}'
_WORDS = {"yes": True, "true": True, "no": False, "false": False}


def add(
    from_json: Annotated[
        str | None,
        typer.Option(help=f"No questions: a file, or - for a pipe, with {_ENTRY}."),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Save it switched off if the test fails."),
    ] = False,
) -> None:
    """Add a provider: asks what it needs, tests the connection, then saves it."""
    project = Project.here()
    entry = _read_entry(from_json) if from_json else _asked()
    kind, name, config = entry["type"], entry["name"], entry["config"]
    is_good = _is_reached(project, kind, name, config)
    may_save = is_good or anyway
    if not may_save and not from_json:
        may_save = typer.confirm("Save it switched off all the same?")
    if not may_save:
        raise ConfigurationError(
            f"The connection of {name} failed its test.",
            not_done=_NOT_SAVED,
            next_step="Correct it, or save it switched off: --anyway",
        )
    made = add_provider(
        project,
        kind=kind,
        name=name,
        config=config,
        schedule=entry.get("schedule"),
        enabled=is_good and entry.get("enabled", True),
        account=account(),
    )
    say(f"{made} is added. " + _first_step(made, kind, config, is_good=is_good))
    _reload(project)


def set_values(
    provider: ProviderName,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...",
            help="name, enabled, schedule, or a key of config (sftp.host=...); without "
            "a value it is removed. A secret is its key alone: it is asked for.",
        ),
    ],
) -> None:
    """Change single keys of a provider. A new address removes its secrets: name them too."""
    project = Project.here()
    kind = _type_of(project, provider)
    changes: dict[str, Any] = {}
    for given in values:
        key, has_value, text = given.partition("=")
        if key in ("name", "schedule"):
            changes[key] = text or None
        elif key == "enabled":
            changes[key] = _yes_or_no(text)
        else:
            value = _value(kind, key, text) if has_value else _secret_of(key)
            put_value(changes.setdefault("config", {}), key, value)
    change_provider(project, provider, changes, account=account())
    say(f"{provider} is changed. Next: d118 test-connection {provider}")
    _reload(project)


def remove(
    provider: ProviderName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a provider's entry; its history and its rows in the roster stay."""
    project = Project.here()
    _type_of(project, provider)
    if not yes:
        say("Its history and its rows in the roster stay.")
        typer.confirm(f"Remove {provider}?", abort=True)
    remove_provider(project, provider, account=account())
    say(f"{provider} is removed. Its history and its rows in the roster stay.")
    _reload(project)


def _type_of(project: Project, provider: str) -> str:
    """The type of an entry, sound or not. Raises: ConfigurationError if there is none."""
    _, broken = load_providers(project.root, district=project.district().id)
    for one in broken:
        if one.name == provider:
            return one.text("type")
    return named_provider(project, provider).model.type


def _read_entry(place: str) -> dict[str, Any]:
    """The entry in a file or a pipe. Raises: ConfigurationError."""
    try:
        text = sys.stdin.read() if place == "-" else Path(place).read_text("utf-8")
        entry = json.loads(text)
    except (OSError, ValueError):
        entry = None
    needed = {"type": str, "name": str}
    is_one = isinstance(entry, dict) and all(
        isinstance(entry.get(key), kind) and entry[key] for key, kind in needed.items()
    )
    is_one = is_one and isinstance(entry.setdefault("config", {}), dict)
    if not is_one or not isinstance(entry.get("enabled", True), bool):
        raise _no_entry("This is no provider in JSON.")
    if unknown := sorted(set(entry) - _KEYS):
        raise _no_entry(f"Unknown key: {', '.join(unknown)[:100]}.")
    return dict(entry)


def _no_entry(what: str) -> ConfigurationError:
    return ConfigurationError(what, rule=f"It is {_ENTRY}.", not_done=_NOT_SAVED)


def _asked() -> dict[str, Any]:
    """The entry that a person types; secrets without echo."""
    say("\n".join(f"{kind}: {title}" for kind, (title, _) in TYPES.items()))
    kind = _choose("Type", TYPES)
    name = str(typer.prompt("Name")).strip()
    _, fields = form_of(kind)
    config = config_of(fields, {field.key: _ask(field) for field in fields})
    words = f"Schedule: {', '.join(PRESETS)}, a cron expression, or nothing"
    schedule = typer.prompt(words, default="", show_default=False)
    return {"type": kind, "name": name, "config": config, "schedule": schedule}


def _ask(field: Field) -> str:
    label = f"{field.label} ({field.hint})" if field.hint else field.label
    if field.choices:
        return _choose(label, field.choices)
    default = None if field.is_required else ""
    hidden = field.is_secret
    return str(
        typer.prompt(label, default=default, show_default=False, hide_input=hidden)
    )


def _choose(label: str, choices: Iterable[str]) -> str:
    known = list(choices)

    def chosen(text: str) -> str:
        if text in known:
            return text
        raise typer.BadParameter(f"It is one of: {', '.join(known)}.")

    text = f"{label} [{', '.join(known)}]"
    return str(typer.prompt(text, value_proc=chosen))


def _is_reached(
    project: Project, kind: str, name: str, config: Mapping[str, Any]
) -> bool:
    """Test the connection and say what was found; an inbox is nothing to connect to."""
    if not config:
        return True
    with provider_beside(project, kind, name, config) as (beside, provider):
        found = try_provider(beside, provider)
    word = "OK" if found.success else "FAILED"
    say(f"{word}  {name}: {found.text} ({found.latency_seconds:.2f} s)")
    return found.success


def _first_step(
    made: str, kind: str, config: Mapping[str, Any], *, is_good: bool
) -> str:
    if not is_good:
        return f"It is switched off: correct it, then d118 providers set {made} enabled=yes"
    if kind == "CSV" and not config:
        return f"Put its files into inbox/{made}/ below D118_HOME."
    return f"Next: d118 run {made}"


def _yes_or_no(text: str) -> bool:
    if text in _WORDS:
        return _WORDS[text]
    raise ConfigurationError(
        "enabled is yes or no.", not_done="config/providers.yaml is as it was."
    )


def _value(kind: str, key: str, text: str) -> Any:
    if not text:
        return None
    if is_secret(key):
        raise ConfigurationError(
            f"{key} is a secret: other people see what is typed in a command.",
            not_done="config/providers.yaml is as it was.",
            next_step=f"Write {key} alone; it is asked for.",
        )
    return typed_value(kind, key, text)


def _secret_of(key: str) -> str:
    """A secret from the keyboard without echo, or a line of a pipe."""
    if not is_secret(key):
        raise ConfigurationError(
            f"{key[:80]} has no value.",
            rule="Write KEY=VALUE, or the key of a secret alone.",
            not_done="config/providers.yaml is as it was.",
        )
    if sys.stdin.isatty():
        return str(typer.prompt(key, hide_input=True))
    return sys.stdin.readline().rstrip("\n")


def _reload(project: Project) -> None:
    """Let a Dagster that runs here read the files again."""
    sockets = code_sockets(project.root)
    if not sockets:
        return
    from d118_pipelines.instance import reload_code

    if reload_code(sockets):
        say("Dagster has read the configuration again.")
    else:
        say("Dagster does not answer. Reload the code location in its UI.")
