"""What an export shows in the UI: counts, findings by code, the plan with keys only.

Belongs here: turning an export into Dagster metadata. No value of a person is in it.
"""

import dagster as dg

from d118_pipelines.ops.export import MadeExport
from d118_pipelines.targets.guard import GuardRule
from d118_pipelines.targets.plan import FileCounts
from d118_pipelines.targets.records import codes_counted
from d118_pipelines.targets.render import RenderedFile
from d118_pipelines.targets.show import changes_of

SHOWN_CHANGES = 40
Metadata = dict[str, dg.MetadataValue]


def file_metadata(made: MadeExport, file: RenderedFile, *, with_plan: bool) -> Metadata:
    """Metadata of one file; the main file also carries findings and plan."""
    counts = made.export.plan.counts[file.file.name]
    value = dg.MetadataValue
    columns = [dg.TableColumn(c.header, "text") for c in file.file.columns]
    metadata: Metadata = {
        "dagster/row_count": value.int(file.rows),
        "dagster/column_schema": value.table_schema(dg.TableSchema(columns)),
        "file": value.text(file.file.file),
        "size_bytes": value.int(file.size_bytes),
        "sha256": value.text(file.sha256),
        "added": value.int(counts.added),
        "changed": value.int(counts.changed),
        "removed": value.int(counts.removed),
        "unchanged": value.int(counts.unchanged),
    }
    for command, number in counts.commands.items():
        metadata[f"records_{command}"] = value.int(number)
    if with_plan:
        metadata |= _set_metadata(made, counts)
    return metadata


def check_result(
    asset: dg.AssetKey, made: MadeExport, rule: GuardRule
) -> dg.AssetCheckResult:
    """One guard rule as an asset check; a held one passes when the plan is approved."""
    approved = made.approval is not None and rule.kind == "held"
    description = rule.message
    if not rule.passed and approved:
        description += " Released by an approval."
    elif not rule.passed and rule.kind == "held":
        name, short = made.plan.target, made.plan.plan_hash[:8]
        description += (
            f" Held. Review: d118 plan {name}. Release: d118 approve {name} {short} "
            '--reason "..." (or the job approve).'
        )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=rule.code.removeprefix("guard."),
        passed=rule.passed or approved,
        severity=dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={"code": rule.code, "kind": rule.kind},
    )


def _set_metadata(made: MadeExport, counts: FileCounts) -> Metadata:
    value = dg.MetadataValue
    people, findings = made.export.counts, made.export.findings
    return {
        "people_read": value.int(people["read"]),
        "people_exported": value.int(people["exported"]),
        "findings": value.int(len(findings)),
        "deactivated": value.int(counts.deactivated),
        "findings_by_code": value.md(_findings_table(made)),
        "plan": value.md(_plan_page(made)),
        "plan_hash": value.text(made.plan.plan_hash),
        "verdict": value.text("approved" if made.approval else made.plan.verdict),
        "destination": value.text(made.destination.label),
    }


def _findings_table(made: MadeExport) -> str:
    findings = made.export.findings
    level = {finding.code: finding.level for finding in findings}
    todo = {finding.code: finding.todo for finding in findings}
    lines = ["| code | level | records | what to do |", "|---|---|---|---|"]
    lines += [
        f"| {code} | {level[code]} | {number} | {todo[code]} |"
        for code, number in codes_counted(findings).items()
    ]
    return "\n".join([*lines, "", f"All: `d118 findings {made.plan.target}`"])


def _plan_page(made: MadeExport) -> str:
    plan = made.export.plan
    against = plan.baseline[:8] if plan.baseline else "nothing (first delivery)"
    lines = [
        f"Plan `{plan.hash[:8]}` against delivery {against}: **{made.plan.verdict}**",
        "",
        "| file | records | added | changed | removed | unchanged |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {c.rows} | {c.added} | {c.changed} | {c.removed} | {c.unchanged} |"
        for name, c in plan.counts.items()
    ]
    changes = (
        changes_of(made.export.folder, limit=SHOWN_CHANGES) if plan.baseline else []
    )
    if changes:
        lines += ["", "| file | change | key | columns |", "|---|---|---|---|"]
        lines += [
            f"| {c.file} | {c.action} | {c.key} | {', '.join(c.fields)} |"
            for c in changes
        ]
        lines += ["", f"All changes: `d118 plan {made.plan.target}`"]
    return "\n".join(lines)
