"""`d118 compare`: our newest files against the old script's, before the cut-over."""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import (
    AsCsv,
    AsJson,
    TargetName,
    named_target,
    newest_plan,
)
from d118_pipelines.cli.output import say, show_csv, show_json, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.compare import FileComparison, compare_file
from d118_pipelines.targets.definition import Target

SHOWN_ROWS = 40
Folder = Annotated[Path, typer.Option("--with", help="The other program's files.")]
ShowValues = Annotated[bool, typer.Option("--show-values", help="Print both values.")]


def compare(
    target: TargetName,
    folder: Folder,
    show_values: ShowValues = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the newest export with other files, per row and field; exit 1 if any differ."""
    project = Project.here()
    wanted = named_target(project, target)
    ours = project.home / newest_plan(project, wanted.name).folder
    results = [_compared(wanted, index, ours, folder) for index in _places(wanted)]
    rows = [row for r in results for row in _rows(r, show_values=show_values)]
    if as_json:
        show_json([_plain(result, show_values=show_values) for result in results])
    elif as_csv:
        show_csv(rows)
    else:
        _show(results, rows)
    if any(result.has_differences for result in results):
        raise typer.Exit(1)


def _places(target: Target) -> list[int]:
    """The files that are sent; the others have no counterpart."""
    return [place for place, file in enumerate(target.model.files) if file.deliver]


def _compared(target: Target, index: int, ours: Path, folder: Path) -> FileComparison:
    file = target.model.files[index]
    mine, theirs = (
        _bytes_of(target, ours, file.file),
        _bytes_of(None, folder, file.file),
    )
    for data, where, remedy in [
        (mine, ours, f"Make our files first: d118 run {target.name}"),
        (
            theirs,
            folder,
            "Copy the other program's files into the folder under these names.",
        ),
    ]:
        if data is None:
            raise ConfigurationError(
                f"{file.file} is missing.",
                where=str(where),
                not_done="Nothing was compared.",
                next_step=remedy,
            )
    assert mine is not None and theirs is not None
    return compare_file(file, target.model.format, mine, theirs)


def _bytes_of(target: Target | None, folder: Path, name: str) -> bytes | None:
    """A file of a set, or the member of its archive; None where there is none."""
    if (folder / name).is_file():
        return (folder / name).read_bytes()
    package = target.model.package if target else None
    if package is None or not (folder / package.archive).is_file():
        return None
    with zipfile.ZipFile(folder / package.archive) as archive:
        return archive.read(name) if name in archive.namelist() else None


def _rows(result: FileComparison, *, show_values: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for records, what in [
        (result.only_ours, "only ours"),
        (result.only_theirs, "only theirs"),
    ]:
        rows += [
            {"file": result.file, "record": r, "difference": what} for r in records
        ]
    rows += [
        {"file": result.file, "record": d.record, "difference": d.column}
        | ({"ours": d.ours, "theirs": d.theirs} if show_values else {})
        for d in result.fields
    ]
    if show_values:
        rows = [
            {**row, "ours": row.get("ours"), "theirs": row.get("theirs")}
            for row in rows
        ]
    return rows


def _plain(result: FileComparison, *, show_values: bool) -> dict[str, Any]:
    values = asdict(result)
    if not show_values:
        for difference in values["fields"]:
            del difference["ours"], difference["theirs"]
    return values


def _show(results: list[FileComparison], rows: list[dict[str, Any]]) -> None:
    show_table(
        "Files",
        [
            {
                "file": r.file,
                "bytes": "identical" if r.is_identical else "differ",
                "ours": r.rows_ours,
                "theirs": r.rows_theirs,
                "same": r.same,
                "only ours": len(r.only_ours),
                "only theirs": len(r.only_theirs),
                "columns that differ": ", ".join(
                    f"{name} {n}"
                    for name, n in Counter(d.column for d in r.fields).items()
                ),
                "notes": "; ".join(r.notes),
            }
            for r in results
        ],
    )
    if rows:
        show_table("Differences", rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        say(f"{len(rows) - SHOWN_ROWS:,} more: add --csv")
