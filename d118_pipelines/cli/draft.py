"""`d118 targets draft` and `d118 targets add`: a target from a file, or from the catalog.

What explains a file is found in `workflows/targets/draft.py`, what is copied is in
`workflows/targets/catalog.py`; here it is shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_json, show_lines
from d118_pipelines.config.project import Project
from d118_pipelines.targets.definition import read_target
from d118_pipelines.targets.draft.file_draft import ColumnDraft, FileDraft
from d118_pipelines.workflows.targets.catalog import add_target, catalog, variables_of
from d118_pipelines.workflows.targets.draft import draft_target


def draft(
    name: Annotated[str, typer.Argument(help="The name of the new target.")],
    source: Annotated[
        Path,
        typer.Option("--from", help="The file sent last, a folder of files, or a zip."),
    ],
    key: Annotated[
        str | None,
        typer.Option(help="The column that names a line, where none is found."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the target of that name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draft a target from yesterday's file: YAML and SQL that make the same from today's data."""
    project = Project.here()
    made = draft_target(project, name, source, key=key, force=force)
    if as_json:
        show_json([_plain(file) for file in made.draft.files])
        return
    for file in made.draft.files:
        show_lines(file.given.name, [_row(column) for column in file.columns])
        for line in _about(file):
            say(line)
        say("")
    for path in made.files:
        say(f"written: {path.relative_to(project.root)}")
    open_ones = sum(len(file.open_columns) for file in made.draft.files)
    if open_ones:
        say(
            f"{open_ones} columns are TODO; d118 doctor refuses the target until none is."
        )
    say(f"Next: d118 doctor; d118 run {name}; d118 compare {name} --with FOLDER")


def add(
    name: Annotated[
        str | None, typer.Argument(help="A target of the catalog; without, its names.")
    ] = None,
) -> None:
    """Copy a ready target of the catalog into this project (docs/catalog.md)."""
    project = Project.here()
    if name is None:
        for known in catalog():
            say(known)
        return
    for path in add_target(project, name):
        say(f"written: {path.relative_to(project.root)}")
    target = read_target(
        project.root / f"mappings/targets/{name}.yaml", project.root / "sql/exports"
    )
    say(f"For .env: {', '.join(variables_of(target.model))}")
    say(f"Next: read the YAML; d118 doctor; d118 preview {name}; d118 run {name}")


def _row(column: ColumnDraft) -> dict[str, str]:
    agrees = f"{column.agrees:,} of {column.lines:,}" if column.sql else ""
    return {
        "column": column.header,
        "found": column.found or "TODO",
        "agrees": agrees,
        "next best": column.next_best,
        "differs for": ", ".join(column.differ),
    }


def _about(file: FileDraft) -> list[str]:
    """Key, population, order and what no target can write so, in sentences."""
    said = [f"note: {note}" for note in file.given.notes]
    if file.key is None or file.population is None:
        return [
            "key: none found; give it with --key, or extract what the file needs",
            *said,
        ]
    pairs = ", ".join(
        f"{file.given.headers[place]} = {column}" for place, column in file.key.pairs
    )
    who = file.population
    told = " and ".join(c.words for c in who.conditions) or "everybody"
    return [
        f"key: {pairs} of {file.key.relation.name}, {file.key.matched:,} of "
        f"{len(file.given.rows):,} lines",
        f"population: {told}; {who.missing:,} of {who.wanted:,} missing, {who.extra:,} too many",
        f"order: {', '.join(file.order) or 'none found; by the key'}",
        *said,
    ]


def _plain(file: FileDraft) -> dict[str, Any]:
    who = file.population
    return {
        "file": file.given.name,
        "lines": len(file.given.rows),
        "relation": file.key.relation.name if file.key else None,
        "matched": file.key.matched if file.key else 0,
        "columns": [
            {**_row(c), "agrees": c.agrees, "lines": c.lines} for c in file.columns
        ],
        "population": [c.sql for c in who.conditions] if who else [],
        "missing": who.missing if who else 0,
        "extra": who.extra if who else 0,
        "order": file.order,
        "notes": file.given.notes,
    }
