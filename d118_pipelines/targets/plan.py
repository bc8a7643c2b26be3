"""The plan: what a finished set would change against the last verified delivery.

Belongs here: the comparison by key and its hash. Not here: whether it may go (guard).
A plan holds keys, counts, names of changed columns and hashes, never values.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d118_pipelines.targets.definition import Target, TargetFile, Transition
from d118_pipelines.targets.render import quoted
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
    """All changes of a set; `hash` stands for exactly these (64 hexadecimal digits)."""

    hash: str
    baseline: str | None
    counts: dict[str, FileCounts]


def make_plan(
    target: Target,
    bench: Workbench,
    *,
    destination: str,
    baseline: str | None,
    baseline_folder: Path | None,
    out: Path,
) -> Plan:
    """Compare every file with the baseline's and store the changes in `out` (Parquet).

    Columns of `out`: file, action (add, change, remove), key, identity, fields.
    The hash covers target, destination, baseline, definition and every change with the
    hash of its line; it does not depend on row order. baseline_folder None: nothing to
    compare with, everything is an add.
    """
    bench.connection.execute(
        "CREATE TABLE changes (file VARCHAR, action VARCHAR, key VARCHAR, "
        "identity VARCHAR, fields VARCHAR[], line_hash VARCHAR)"
    )
    counts = {
        file.name: _compare(target, bench, file, baseline_folder)
        for file in target.model.files
    }
    path = str(out).replace("'", "''")
    bench.connection.execute(
        f"COPY (SELECT * EXCLUDE (line_hash) FROM changes) TO '{path}' (FORMAT parquet)"
    )
    out.chmod(0o600)
    return Plan(_hash(target, bench, destination, baseline), baseline, counts)


def _compare(
    target: Target, bench: Workbench, file: TargetFile, baseline_folder: Path | None
) -> FileCounts:
    run = bench.connection.execute
    before = baseline_folder / f"{file.name}.parquet" if baseline_folder else None
    had_file = before is not None and before.is_file()
    if had_file:
        source = str(before).replace("'", "''")
        run(f"CREATE OR REPLACE TABLE before AS FROM read_parquet('{source}')")
    else:
        run(f"CREATE OR REPLACE TABLE before AS FROM {file.name} LIMIT 0")
    old = {r[0] for r in run("DESCRIBE before").fetchall()}
    fields = ", ".join(_difference(c.header, old, file) for c in file.columns)
    run(
        f"INSERT INTO changes "
        f"SELECT '{file.name}', "
        "CASE WHEN b._key IS NULL THEN 'add' WHEN n._key IS NULL THEN 'remove' "
        "ELSE 'change' END AS action, coalesce(n._key, b._key), "
        "coalesce(n._identity, b._identity), "
        f"CASE WHEN action = 'change' THEN list_filter([{fields}], lambda f: f <> '') "
        "ELSE [] END AS fields, coalesce(n._hash, '') "
        f"FROM {file.name} n FULL JOIN before b "
        "ON n._key = b._key AND n._identity = b._identity "
        "WHERE action <> 'change' OR len(fields) > 0"
    )
    return _count(target, bench, file, old if had_file else None)


def _difference(header: str, old: set[str], file: TargetFile) -> str:
    """SQL for the column's name where its value changed, else ''."""
    if header in file.compare_except:
        return "''"
    name, shown = quoted(header), header.replace("'", "''")
    was = f"b.{name}" if header in old else "NULL"
    return f"if(coalesce(n.{name}, '') IS DISTINCT FROM coalesce({was}, ''), '{shown}', '')"


def _count(
    target: Target, bench: Workbench, file: TargetFile, old: set[str] | None
) -> FileCounts:
    """Count the changes; `old` are the columns of the baseline's file, if there is one."""

    def one(sql: str, *binds: object) -> Any:
        return bench.connection.execute(sql, list(binds)).fetchone()[0]  # type: ignore[index]

    def counted(sql: str) -> dict[str, int]:
        return dict(bench.connection.execute(sql).fetchall())

    action = "SELECT count(*) FROM changes WHERE file = ? AND action = ?"
    rows = one(f"SELECT count(*) FROM {file.name}")
    added, changed, removed = (
        one(action, file.name, kind) for kind in ("add", "change", "remove")
    )
    return FileCounts(
        rows=rows,
        rows_before=None if old is None else one("SELECT count(*) FROM before"),
        added=added,
        changed=changed,
        removed=removed,
        unchanged=rows - added - changed,
        deactivated=0 if old is None else one(_deactivations(target, file, old)),
        changed_fields=counted(
            "SELECT unnest(fields) AS field, count(*) FROM changes "
            f"WHERE file = '{file.name}' GROUP BY field ORDER BY field"
        ),
        commands=counted(
            f"SELECT {quoted(file.command)} AS c, count(*) FROM {file.name} "
            "GROUP BY c ORDER BY c"
        )
        if file.command
        else {},
    )


def _deactivations(target: Target, file: TargetFile, old: set[str]) -> str:
    """SQL counting the records that turn inactive, or leave where that counts as well."""
    guard = target.model.guard
    if file is not target.main_file:
        return "SELECT 0"
    turned = [_turns(transition, old) for transition in guard.deactivations]
    if guard.leaving_is_deactivation:
        turned.append("n._key IS NULL")
    return (
        f"SELECT count(*) FROM before b LEFT JOIN {file.name} n "
        "ON n._key = b._key AND n._identity = b._identity "
        f"WHERE {' OR '.join(turned) or 'false'}"
    )


def _turns(transition: Transition, old: set[str]) -> str:
    """SQL for one transition; under a name that is new, whoever is inactive counts."""
    name = quoted(transition.column)
    was, becomes = (
        value.replace("'", "''") for value in (transition.was, transition.becomes)
    )
    before = f"b.{name} = '{was}'" if transition.column in old else "true"
    return f"({before} AND n.{name} = '{becomes}')"


def _hash(
    target: Target, bench: Workbench, destination: str, baseline: str | None
) -> str:
    head = [target.name, destination, baseline, target.fingerprint]
    digest = hashlib.sha256(json.dumps(head).encode("utf-8"))
    rows = bench.connection.execute(
        "SELECT file, action, key, identity, line_hash FROM changes ORDER BY ALL"
    )
    while batch := rows.fetchmany(10_000):
        digest.update(json.dumps(batch, ensure_ascii=False).encode("utf-8"))
    return digest.hexdigest()
