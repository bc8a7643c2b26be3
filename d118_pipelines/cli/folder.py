"""`d118 init`, `customize` and `diff`: a district's own folder.

The work is in `workflows/upkeep/district_folder.py`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_json, show_lines, show_text
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.shipped import SHIPPED
from d118_pipelines.workflows.upkeep.district_folder import (
    copy_shipped,
    difference,
    make_folder,
    own_files,
    remember,
)

Shipped = Annotated[
    str, typer.Argument(metavar="PATH", help="As mappings/targets/oneroster.yaml.")
]


def init(
    folder: Annotated[Path, typer.Argument(help="Where the district's files go.")],
    name: Annotated[str, typer.Option(help="The district's name.")] = "",
    own_id: Annotated[
        str, typer.Option("--id", help="Its id (default: from the folder's name).")
    ] = "",
    time_zone: Annotated[str, typer.Option(help="Its time zone.")] = "America/Chicago",
) -> None:
    """Make a district's folder; what it does not hold comes from the package."""
    make_folder(folder, name=name, own_id=own_id, time_zone=time_zone)
    say(
        f"{folder} is ready, with the demonstration district until .env names "
        f"PowerSchool.\nNext: d118 --project {folder} doctor; "
        f"d118 --project {folder} run --all"
    )


def customize(path: Shipped) -> None:
    """Copy a shipped file, or a folder of them, into this folder to change it there."""
    for file in copy_shipped(Project.here().root, path):
        say(f"{file} is this folder's own now.")


def diff(
    path: Annotated[
        str | None, typer.Argument(help="Show how this file differs line by line.")
    ] = None,
    seen: Annotated[
        bool, typer.Option("--seen", help="The shipped file's change is dealt with.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List this folder's own files, and whether the shipped originals have changed."""
    root = Project.here().root
    if path is not None:
        _show(root, path, seen=seen)
        return
    files = own_files(root)
    if as_json:
        show_json([asdict(one) for one in files])
    elif root == SHIPPED:
        say("This is the repository itself: git shows what was changed.")
    else:
        rows = [
            {
                "file": one.file,
                "state": one.state,
                "shipped since": "changed" if one.shipped_changed else "",
            }
            for one in files
        ]
        show_lines("Own files", rows)


def _show(root: Path, path: str, *, seen: bool) -> None:
    lines = list(difference(root, path))
    if seen:
        remember(root, [path])
        say(f"{path} is compared with the shipped file of today from now on.")
    else:
        lines = lines or [f"{path} is the same as the shipped file."]
        show_text("".join(f"{line}\n" for line in lines))
