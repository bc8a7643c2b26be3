"""`d118 compare`: our newest files against the old script's, before the cut-over.

What differs is found in `targets/compare.py`; here it is shown.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import AsCsv, AsJson, TargetName, named_target
from d118_pipelines.cli.output import say, show_csv, show_json, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.compare import FileComparison, compare_file
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.workflows.runs.admission import newest_plan
from d118_pipelines.workflows.runs.audit_trail import record_export
from d118_pipelines.workflows.targets.target_feed import TargetFeed

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
    ours = project.home / newest_plan(TargetFeed(project, wanted)).folder
    # The files that are not sent have no counterpart.
    sent = [file for file in wanted.model.files if file.deliver]
    results = [_compared(wanted, file, ours, folder) for file in sent]
    rows = [row for r in results for row in _rows(r, show_values=show_values)]
    if as_json or as_csv or show_values:
        how = "with values" if show_values else "keys only"
        record_export(project, target, f"compare, {how}", f"{len(rows)} rows")
    if as_json:
        show_json([_plain(result, show_values=show_values) for result in results])
    elif as_csv:
        show_csv(rows)
    else:
        _show(results, rows)
    if any(result.has_differences for result in results):
        raise typer.Exit(1)


def _compared(
    target: Target, file: TargetFile, ours: Path, folder: Path
) -> FileComparison:
    mine = _bytes_of(target, ours, file.file)
    if mine is None:
        raise _missing(file.file, ours, f"Make the files first: d118 run {target.name}")
    theirs = _bytes_of(None, folder, file.file)
    if theirs is None:
        remedy = "Copy the other program's files into the folder under these names."
        raise _missing(file.file, folder, remedy)
    return compare_file(file, target.model.format, mine, theirs)


def _missing(file: str, where: Path, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file} is missing.",
        where=str(where),
        not_done="Nothing was compared.",
        next_step=remedy,
    )


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
    """One row per record of one side and per field that differs."""
    sides = {"only ours": result.only_ours, "only theirs": result.only_theirs}
    found: list[tuple[str | None, ...]] = [
        (r, what, None, None) for what, records in sides.items() for r in records
    ]
    found += [(d.record, d.column, d.ours, d.theirs) for d in result.fields]
    names = ("record", "difference", *(("ours", "theirs") if show_values else ()))
    return [
        {"file": result.file, **dict(zip(names, row, strict=False))} for row in found
    ]


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
