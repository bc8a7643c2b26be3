"""`python -m d118_pipelines.cli.cli_reference`: prints docs/cli.md from the parser.

Called by `make cli-reference`; a test holds the page to it. What commands mean is next
to each command, and `--help` shows it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from d118_pipelines.cli.app import app

_HEAD = """\
# The command line

Made from the parser by `make cli-reference`; do not edit.

`.venv/bin/d118 COMMAND --help` says the same. Run it in the project's folder: it reads
`.env` there.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed; nothing of it counts as sent |
| 2 | wrong usage or configuration; nothing was started |
| 3 | held by the guard: see `d118 plan`, then `d118 approve`; or paused |
| 4 | busy: another run is delivering the same target |
| 5 to 8 | state database gone, disk full, no permission, connection lost: [outages](reference/outages.md) |
| 130 | interrupted by Ctrl-C; the message says what had been sent by then |
"""


def page() -> str:
    """The whole of docs/cli.md."""
    return _HEAD + "".join(_command("d118", typer.main.get_command(app)))


def _command(name: str, command: Any) -> Iterator[str]:
    """The sections of a command, or of the commands below it, by name."""
    below = getattr(command, "commands", {})
    for part in sorted(below):
        yield from _command(f"{name} {part}", below[part])
    if below and not command.invoke_without_command:
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = " ".join([name, *(p.name.upper() for p in arguments)])
    yield f"\n## `{words}`\n\n{command.help}\n"
    if command.params:
        yield "\n| | |\n|---|---|\n"
    for parameter in command.params:
        yield f"| {_form(parameter)} | {_meaning(parameter)} |\n"


def _form(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    value = "" if parameter.is_flag else f" {parameter.name.upper()}"
    return f"`{parameter.opts[0]}{value}`"


def _meaning(parameter: Any) -> str:
    if parameter.required:
        return f"{parameter.help} Required."
    if getattr(parameter, "is_flag", False) or parameter.default is None:
        return str(parameter.help)
    return f"{parameter.help} Default: {parameter.default}."


if __name__ == "__main__":
    print(page(), end="")
