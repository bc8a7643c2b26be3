"""Building an export: rules, files, findings, plan and verdict, in one folder.

Called by `workflows/targets/export.py`; stored by `records.py`. It touches nothing but
the folder that it fills: no database, no network.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from d118_pipelines.kernel.finding import Finding
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.kernel.run_folders import write_manifest
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.targets.definition import TODAY, Target
from d118_pipelines.targets.delta import is_delta, make_changes
from d118_pipelines.targets.facts import FileFacts, facts_of
from d118_pipelines.targets.guard import READ_BACK, judge
from d118_pipelines.targets.ledger import LedgerSnapshot, load_ledger
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.targets.package import Packing
from d118_pipelines.targets.plan import Plan, make_plan
from d118_pipelines.targets.population import (
    apply_rules,
    declared_findings,
    record_counts,
)
from d118_pipelines.targets.render import (
    Mode,
    RenderedFile,
    make_table,
    misshapen_keys,
    write_file,
)
from d118_pipelines.targets.secret_columns import secret_columns
from d118_pipelines.targets.workbench import Workbench

PLAN_FILE = "plan.parquet"
OUTCOME_FILE = "outcome.parquet"
ReadBack = Callable[[Path], Sequence[str]]
# A file of the set, and its SHA-256 once it is known; None where it is absent.
Written = tuple[RenderedFile, Future[str] | None]


@dataclass(frozen=True, slots=True)
class Export:
    """A finished set of files: what is in it, what was found, and whether it may go.

    counts: records read, exported, and stopped per code; empty for a target without a
    population. to_send: what a delivery takes, as plans and delivery records keep it.
    facts: file -> whom and what it holds.
    """

    folder: Path
    files: tuple[RenderedFile, ...]
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    plan: Plan
    rules: tuple[GuardRule, ...]
    to_send: tuple[dict[str, Any], ...] = ()
    facts: Mapping[str, FileFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a target's SQL reads: a Parquet file per asset, and per roster relation.

    secrets: variable -> value, of the columns that are secrets. days: options of the
    school year and the term.
    """

    extracts: Mapping[tuple[str, str, str], Path]
    roster: Mapping[str, Path] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    days: Mapping[str, dt.date] = field(default_factory=dict)


def build_export(
    target: Target,
    *,
    inputs: Inputs,
    snapshot: LedgerSnapshot,
    baseline_folder: Path | None,
    destination: str,
    folder: Path,
    data_at: dt.datetime,
    now: dt.datetime,
    zone: ZoneInfo,
    read_back: ReadBack | None = None,
) -> Export | None:
    """Fill `folder` with the target's files, their tables, the plan and a manifest.

    snapshot: the ledger at the start of the import cycle. baseline_folder: the folder
    of the last verified delivery. zone: the district's, for its day. read_back: reads
    the finished archive and names what is wrong with it. Returns None out of term:
    nothing was made. Raises: ConfigurationError for SQL that does not run; ExportError
    if the records have no unique key.
    """
    today = now.astimezone(zone).date()
    options = {**inputs.days, **target.model.options, TODAY: today}
    secrets = secret_columns(target.name, target.model.format, inputs.secrets)
    with Workbench(options, folder / ".spill", secrets) as bench:
        for parts, parquet in inputs.extracts.items():
            bench.add_input(parts, parquet)
        for relation, parquet in inputs.roster.items():
            bench.add_roster(relation, parquet)
        load_ledger(bench, snapshot, target.model.ledger)
        if not _make_relations(target, bench):
            return None
        findings = apply_rules(target, bench) if target.model.population else []
        for file in target.record_files:
            findings += make_table(target, bench, file, folder)
        findings += declared_findings(target, bench)
        if target.model.population:
            key = target.population.key
            made = statement("targets/files.outcome", key=key)
            bench.keep(made, folder / OUTCOME_FILE, target.path.name)
        baseline = snapshot.baseline
        plan = make_plan(
            target,
            bench,
            destination=destination,
            baseline=baseline.delivery if baseline else None,
            baseline_folder=baseline_folder,
            out=folder / PLAN_FILE,
        )
        since = baseline if is_delta(target, plan.delivered) else None
        delivered_at = since.finished_at if since else None
        writing = _Writing(target, bench, folder, now, delivered_at)
        with Packing(target.model.package, folder) as packing:
            written, found = writing.all_files(packing)
            whole = packing.finish(read_back) if target.model.package else None
            broken = _broken_facts(target, bench)
            facts = {f.name: facts_of(bench, f) for f in target.record_files}
            files = [replace(f, sha256=s.result() if s else "") for f, s in written]
            to_send = tuple(file_entry(file) for file in files if _goes(file))
            if whole is not None:
                archive, wrong = whole.result()
                to_send = (_archive_entry(packing.path, archive, files),)
                broken |= {} if wrong is None else {READ_BACK: list(wrong)}
        rules = judge(
            target,
            plan,
            broken=broken,
            is_ledger_empty=snapshot.is_empty,
            data_at=data_at,
            now=now,
            zone=zone,
        )
        export = Export(
            folder,
            tuple(files),
            _unique([*findings, *found]),
            record_counts(bench) if target.model.population else {},
            plan,
            tuple(rules),
            to_send,
            facts,
        )
    write_manifest(folder, _manifest(target, export, destination, now))
    return export


def _make_relations(target: Target, bench: Workbench) -> bool:
    """Make the target's own tables; whether it has a term to export."""
    for table in target.model.tables:
        sql, origin = target.sql(table.sql), f"sql/exports/{table.sql}"
        if table.view:
            bench.make_view(table.name, sql, origin)
        else:
            bench.run(f"CREATE TABLE {table.name} AS {sql}", origin)
    if target.model.in_term is None:
        return True
    rows = bench.rows(target.model.in_term, f"{target.path.name}, in_term")
    return bool(rows and rows[0][0])


@dataclass(frozen=True, slots=True)
class _Writing:
    """Writing the files of one set: in full, or the changes since `delivered_at`."""

    target: Target
    bench: Workbench
    folder: Path
    now: dt.datetime
    delivered_at: dt.datetime | None

    def all_files(self, packing: Packing) -> tuple[list[Written], list[Finding]]:
        """Write them all, in the order of the set; a control file tells of the others."""
        made = {file.name: self._made(file) for file in self.target.record_files}
        findings: list[Finding] = []
        written: list[Written] = []
        for file in self.target.model.files:
            if file.control:
                self._tell_files(made)
                findings += make_table(self.target, self.bench, file, self.folder)
                made[file.name] = self._made(file)
            one, sha256 = made[file.name], None
            if one.mode != "absent":
                one, found = write_file(self.target, self.bench, one)
                findings += found
                sha256 = packing.add(one.path, is_delivered=bool(file.deliver))
            written.append((one, sha256))
        return written, findings

    def _made(self, file: TargetFile) -> RenderedFile:
        """What is to be written: everything, or the relation of the changes."""
        relation = file.name
        mode: Mode = "bulk"
        if self.delivered_at is not None and not file.control:
            given = (self.target, self.bench, file)
            relation = make_changes(
                *given, now=self.now, delivered_at=self.delivered_at
            )
            mode = "delta"
        [(rows,)] = self.bench.rows(f"SELECT count(*) FROM {relation}", file.file)
        leaves_out = mode == "delta" or file.empty == "omit"
        if leaves_out and not rows:
            mode = "absent"
        return RenderedFile(file, self.folder / file.file, relation, rows, mode)

    def _tell_files(self, made: Mapping[str, RenderedFile]) -> None:
        """The relation `set_files`, for a control file's SQL."""
        kinds = dict.fromkeys(("name", "file", "mode"), "VARCHAR") | {"rows": "BIGINT"}
        rows = [(n, f.file.file, f.mode, f.rows) for n, f in made.items()]
        self.bench.add_rows("set_files", kinds, rows)


def _goes(file: RenderedFile) -> bool:
    """Whether a delivery takes the file, alone or in the archive."""
    return bool(file.file.deliver) and file.mode != "absent"


def _archive_entry(
    path: Path, sha256: str, files: Sequence[RenderedFile]
) -> dict[str, Any]:
    """The archive and its members as plans, manifests and delivery records keep them."""
    going = [file for file in files if _goes(file)]
    return {
        "name": path.name,
        "rows": sum(file.rows for file in going if not file.file.control),
        "size_bytes": path.stat().st_size,
        "sha256": sha256,
        "members": [file_entry(file) for file in going],
    }


def _unique(findings: list[Finding]) -> tuple[Finding, ...]:
    """One finding per code and key; the details that differ are joined."""
    first: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        known = first.setdefault((finding.code, finding.key), finding)
        if known is not finding and finding.detail not in known.detail:
            both = f"{known.detail}; {finding.detail}"
            first[finding.code, finding.key] = replace(known, detail=both)
    return tuple(first.values())


def _broken_facts(target: Target, bench: Workbench) -> dict[str, list[str]]:
    broken: dict[str, list[str]] = {"guard.shape_right": [], "guard.keys_unique": []}
    for file in target.record_files:
        broken["guard.shape_right"] += misshapen_keys(target, bench, file)
        doubled = statement("targets/files.doubled", file=file.name)
        doubles = bench.rows(doubled, file.file)
        broken["guard.keys_unique"] += [row[0] for row in doubles]
    for fact in target.model.assertions:
        rows = bench.rows(fact.sql, f"{target.path.name}, assertion {fact.name}")
        broken[f"guard.{fact.name}"] = sorted(str(row[0]) for row in rows)
    return broken


def _manifest(
    target: Target, export: Export, destination: str, now: dt.datetime
) -> dict[str, Any]:
    return {
        "target": target.name,
        "destination": destination,
        "made_at": now,
        "plan_hash": export.plan.hash,
        "definition": target.fingerprint,
        "files": list(export.to_send),
        "counts": dict(export.counts),
        "rules": [asdict(rule) for rule in export.rules],
    }


def file_entry(file: RenderedFile) -> dict[str, Any]:
    """A file as plans, manifests and delivery records keep it."""
    return {
        "name": file.file.file,
        "table": file.file.name,
        "rows": file.rows,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
    }
