"""The plan: what a finished set would change against the last verified delivery.

Called by `build.py`; whether it may go is in `guard.py`, reading it back in `show.py`.
It holds keys, counts, names of changed columns and hashes, never values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from d118_pipelines.kernel.sql_text import identifier, literal, statement
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.model import TargetFile, Transition
from d118_pipelines.targets.workbench import Workbench


@dataclass(frozen=True, slots=True)
class FileCounts:
    """Counts of one file against the last verified delivery.

    changed_fields: column -> number of records in which it changed. commands: value of
    the command column -> number of records.
    """

    rows: int
    rows_before: int | None
    added: int
    changed: int
    removed: int
    unchanged: int
    deactivated: int
    changed_fields: dict[str, int]
    commands: dict[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes of a set; `hash` names exactly these (64 hexadecimal digits).

    delivered: file -> the columns of what was last delivered, None where nothing was.
    """

    hash: str
    baseline: str | None
    counts: dict[str, FileCounts]
    delivered: Mapping[str, set[str] | None] = field(default_factory=dict)


def make_plan(
    target: Target,
    bench: Workbench,
    *,
    destination: str,
    baseline: str | None,
    baseline_folder: Path | None,
    out: Path,
) -> Plan:
    """Compare every file of records with the baseline's; store the changes in `out`.

    Columns of `out` (Parquet), also the relation `changes`: file, action (add, change,
    remove), key, identity, fields, line_hash. The plan's hash covers target,
    destination, baseline, definition and every change with the hash of its line; it
    does not depend on row order. baseline_folder None: nothing to compare with,
    everything is an add.
    """
    files = target.record_files
    before = {file.name: before_columns(bench, file, baseline_folder) for file in files}
    parts = " UNION ALL ".join(_changes_sql(f, before[f.name]) for f in files)
    bench.keep(parts, out, target.path.name)
    bench.add_view("changes", out)
    counts = {f.name: _count(target, bench, f, before[f.name]) for f in files}
    return Plan(_hash(target, bench, destination, baseline), baseline, counts, before)


def _sql(name: str, **values: str) -> str:
    return statement(f"targets/plan.{name}", **values)


def before_name(file: TargetFile) -> str:
    """The relation that holds a file's rows as they were last delivered."""
    return f"_before_{file.name}"


def before_columns(
    bench: Workbench, file: TargetFile, baseline_folder: Path | None
) -> set[str] | None:
    """Make the relation of what was last delivered; its columns, or None without one."""
    kept = baseline_folder / f"{file.name}.parquet" if baseline_folder else None
    if kept is None or not kept.is_file():
        return None
    bench.add_view(before_name(file), kept)
    described = bench.connection.execute(f"DESCRIBE {before_name(file)}").fetchall()
    return {row[0] for row in described}


def _changes_sql(file: TargetFile, old: set[str] | None) -> str:
    """SELECT of the changes of one file; `old` are the columns it had."""
    if old is None:
        return _sql("all_new", file=file.name)
    # Equal lines of equal columns are equal records; most are.
    is_same_shape = all(column.header in old for column in file.columns)
    return _sql(
        "changed",
        file=file.name,
        before=before_name(file),
        fields=", ".join(_difference(c.header, old, file) for c in file.columns),
        may_differ="n._hash IS DISTINCT FROM b._hash" if is_same_shape else "true",
    )


def _difference(header: str, old: set[str], file: TargetFile) -> str:
    """SQL for the column's name where its value changed, else ''."""
    if header in file.compare_except:
        return "''"
    column = identifier(header)
    was = f"b.{column}" if header in old else "NULL"
    return _sql("difference", column=column, was=was, header=header)


def _count(
    target: Target, bench: Workbench, file: TargetFile, old: set[str] | None
) -> FileCounts:
    """Count the changes; `old` are the columns of the baseline's file, if there is one."""

    def counted(name: str, **values: str) -> dict[str, int]:
        return dict(bench.rows(_sql(name, **values), file.file))

    def size(relation: str) -> int:
        [(rows,)] = bench.rows(f"SELECT count(*) FROM {relation}", file.file)
        return int(rows)

    rows, actions = size(file.name), counted("actions", file=file.name)
    added, changed, removed = (
        actions.get(kind, 0) for kind in ("add", "change", "remove")
    )
    return FileCounts(
        rows=rows,
        rows_before=None if old is None else size(before_name(file)),
        added=added,
        changed=changed,
        removed=removed,
        unchanged=rows - added - changed,
        deactivated=0 if old is None else _deactivated(target, bench, file, old),
        changed_fields=counted("changed_fields", file=file.name),
        commands=counted("commands", file=file.name, command=identifier(file.command))
        if file.command
        else {},
    )


def _deactivated(
    target: Target, bench: Workbench, file: TargetFile, old: set[str]
) -> int:
    """How many become inactive, or leave where that counts as well."""
    guard = target.model.guard
    turned = [_turns(transition, old) for transition in guard.deactivations]
    if guard.leaving_is_deactivation:
        turned.append("n._key IS NULL")
    if file is not target.main_file or not turned:
        return 0
    sql = _sql(
        "deactivated",
        before=before_name(file),
        file=file.name,
        turned=" OR ".join(turned),
    )
    [(number,)] = bench.rows(sql, file.file)
    return int(number)


def _turns(transition: Transition, old: set[str]) -> str:
    """SQL for one transition; under a name that is new, whoever is inactive counts."""
    name = identifier(transition.column)
    before = (
        f"b.{name} = {literal(transition.was)}" if transition.column in old else "true"
    )
    return f"({before} AND n.{name} = {literal(transition.becomes)})"


def _hash(
    target: Target, bench: Workbench, destination: str, baseline: str | None
) -> str:
    """The hash of the head and of the set of changes: the sums of their halves of md5."""
    [sums] = bench.rows(_sql("sums"), "")
    head = [target.name, destination, baseline, target.fingerprint, *map(str, sums)]
    return hashlib.sha256(json.dumps(head).encode("utf-8")).hexdigest()
