"""Building an export: rules, files, findings, plan and verdict, in one folder.

Belongs here: the order of the work. Pure but for the folder that it fills; the database,
Dagster and the network stay outside.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from d118_pipelines.guard_rule import GuardRule
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.guard import judge
from d118_pipelines.targets.ledger import LedgerSnapshot, load_ledger
from d118_pipelines.targets.plan import Plan, make_plan
from d118_pipelines.targets.population import Finding, apply_rules, declared_findings
from d118_pipelines.targets.render import RenderedFile, misshapen_keys, render_file
from d118_pipelines.targets.workbench import Workbench

PLAN_FILE = "plan.parquet"
OUTCOME_FILE = "outcome.parquet"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Export:
    """A finished set of files: what is in it, what was found, and whether it may go.

    counts: records read, exported, and stopped per code.
    """

    folder: Path
    files: tuple[RenderedFile, ...]
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    plan: Plan
    rules: tuple[GuardRule, ...]


def build_export(
    target: Target,
    *,
    inputs: Mapping[tuple[str, str, str], Path],
    snapshot: LedgerSnapshot,
    baseline_folder: Path | None,
    destination: str,
    folder: Path,
    data_at: dt.datetime,
    now: dt.datetime,
) -> Export:
    """Fill `folder` with the target's files, their tables, the plan and a manifest.

    inputs: Parquet file per asset that the SQL reads. snapshot: the ledger at the start
    of the import cycle. baseline_folder: the folder of the last verified delivery.
    Raises: ConfigurationError for SQL that does not run; ExportError if the records have
    no unique key.
    """
    with Workbench(target.model.options) as bench:
        for parts, parquet in inputs.items():
            bench.add_input(parts, parquet)
        load_ledger(bench, snapshot, target.model.ledger)
        findings = apply_rules(target, bench)
        files: list[RenderedFile] = []
        for file in target.model.files:
            rendered, found = render_file(target, bench, file, folder)
            files.append(rendered)
            findings += found
            _store_table(bench, file.name, folder)
        findings += declared_findings(target, bench)
        _store_outcome(target, bench, folder)
        plan = make_plan(
            target,
            bench,
            destination=destination,
            baseline=snapshot.baseline.delivery if snapshot.baseline else None,
            baseline_folder=baseline_folder,
            out=folder / PLAN_FILE,
        )
        rules = judge(
            target,
            plan,
            broken=_broken_facts(target, bench),
            is_ledger_empty=snapshot.is_empty,
            data_at=data_at,
            now=now,
        )
        export = Export(
            folder, tuple(files), _unique(findings), _counts(bench), plan, tuple(rules)
        )
    _write_manifest(target, export, destination, now)
    return export


def local_time(moment: dt.datetime, zone: ZoneInfo) -> str:
    """A time as people of the district read it: `2026-11-22 04:15 CST`."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _store_table(bench: Workbench, name: str, folder: Path) -> None:
    """Keep the file's rows beside it: the next plan compares with them."""
    path = folder / f"{name}.parquet"
    shown = str(path).replace("'", "''")
    bench.connection.execute(
        f"COPY (FROM {name} ORDER BY _row) TO '{shown}' (FORMAT parquet)"
    )
    path.chmod(0o600)


def _store_outcome(target: Target, bench: Workbench, folder: Path) -> None:
    """Keep what became of every record: key, code and action (null: exported)."""
    path = folder / OUTCOME_FILE
    shown = str(path).replace("'", "''")
    bench.run(
        f"COPY (SELECT CAST(p.{target.model.population.key} AS VARCHAR) AS key, "
        "o.code, o.action FROM population p LEFT JOIN outcome o "
        f"ON o.key = CAST(p.{target.model.population.key} AS VARCHAR)) "
        f"TO '{shown}' (FORMAT parquet)",
        target.path.name,
    )
    path.chmod(0o600)


def _unique(findings: list[Finding]) -> tuple[Finding, ...]:
    """One finding per code and key; what differs stands in the detail, joined."""
    first: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        known = first.setdefault((finding.code, finding.key), finding)
        if known is not finding and finding.detail not in known.detail:
            both = f"{known.detail}; {finding.detail}"
            first[finding.code, finding.key] = replace(known, detail=both)
    return tuple(first.values())


def _broken_facts(target: Target, bench: Workbench) -> dict[str, list[str]]:
    broken: dict[str, list[str]] = {"guard.shape_right": [], "guard.keys_unique": []}
    for file in target.model.files:
        broken["guard.shape_right"] += misshapen_keys(target, bench, file)
        doubles = bench.rows(
            f"SELECT coalesce(_key, 'none') FROM {file.name} GROUP BY _key, _identity "
            "HAVING count(*) > 1 OR _key IS NULL OR _identity IS NULL ORDER BY 1",
            file.file,
        )
        broken["guard.keys_unique"] += [row[0] for row in doubles]
    for fact in target.model.assertions:
        rows = bench.rows(fact.sql, f"{target.path.name}, assertion {fact.name}")
        broken[f"guard.{fact.name}"] = sorted(str(row[0]) for row in rows)
    return broken


def _counts(bench: Workbench) -> dict[str, int]:
    [(read, exported)] = bench.rows(
        "SELECT (SELECT count(*) FROM population), (SELECT count(*) FROM exported)", ""
    )
    stopped = dict(
        bench.rows("SELECT code, count(*) FROM outcome GROUP BY code ORDER BY code", "")
    )
    return {"read": read, "exported": exported, **stopped}


def _write_manifest(
    target: Target, export: Export, destination: str, now: dt.datetime
) -> None:
    manifest = {
        "target": target.name,
        "destination": destination,
        "made_at": now.isoformat(),
        "plan_hash": export.plan.hash,
        "definition": target.fingerprint,
        "files": [file_entry(file) for file in export.files],
        "counts": dict(export.counts),
        "rules": [asdict(rule) for rule in export.rules],
    }
    path = export.folder / MANIFEST_FILE
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    path.chmod(0o600)


def file_entry(file: RenderedFile) -> dict[str, str | int]:
    """A file as plans, manifests and delivery records keep it."""
    return {
        "name": file.file.file,
        "table": file.file.name,
        "rows": file.rows,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
    }
