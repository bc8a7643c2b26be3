"""What an export shows in the UI: counts, findings, whom it is about, the plan by keys.

Called by `exports.py`. No value of a person is in it.
The UI folds Markdown of 1,000 characters or more away, so tables stay short.
"""

import dagster as dg

from d118_pipelines.assets.guard_checks import verdict_shown
from d118_pipelines.assets.markdown import markdown_table
from d118_pipelines.kernel.guard_rule import check_name
from d118_pipelines.targets.disclosures import element_name
from d118_pipelines.targets.facts import FileFacts
from d118_pipelines.targets.plan import FileCounts
from d118_pipelines.targets.records import codes_counted
from d118_pipelines.targets.render import RenderedFile
from d118_pipelines.targets.show import changes_of
from d118_pipelines.workflows.targets.export import MadeExport

SHOWN_CHANGES = SHOWN_SCHOOLS = 12
_BAR, _BARS = "\N{FULL BLOCK}", 24
_READ = ("read", "exported")
Metadata = dict[str, dg.MetadataValue]


def file_metadata(made: MadeExport, file: RenderedFile, *, with_plan: bool) -> Metadata:
    """Metadata of one file; the main file also carries verdict, plan and findings."""
    counts = made.export.plan.counts.get(file.file.name)
    value = dg.MetadataValue
    columns = [
        dg.TableColumn(
            c.header,
            "text",
            description=element_name(file.file.elements, c.header)
            or "fixed by the vendor's format; tells nothing about a person",
        )
        for c in file.file.columns
    ]
    return {
        "verdict": value.text(verdict_shown(made.plan, made.approval)),
        "dagster/row_count": value.int(file.rows),
        **(_set_metadata(made, counts) if with_plan and counts else {}),
        **(_changes(made, counts) if counts else {}),
        **_facts(made.export.facts.get(file.file.name)),
        "sent": value.bool(bool(file.file.deliver) and file.mode != "absent"),
        "file": value.text(file.file.file),
        "size_bytes": value.int(file.size_bytes),
        "sha256": value.text(file.sha256),
        # Not dagster/column_schema: its table would stand above all this.
        "columns": value.table_schema(dg.TableSchema(columns)),
    }


def not_checked(asset: dg.AssetKey, code: str) -> dg.AssetCheckResult:
    """The result of a rule out of term: there was nothing to check."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check_name(code),
        passed=True,
        description="Out of term: nothing was made or sent.",
    )


def _set_metadata(made: MadeExport, counts: FileCounts) -> Metadata:
    value = dg.MetadataValue
    people, findings = made.export.counts, made.export.findings
    read = {
        f"people_{name}": value.int(people[name]) for name in people if name in _READ
    }
    return {
        "plan": value.md(_plan_page(made)),
        "plan_hash": value.text(made.plan.plan_hash),
        "destination": value.text(made.destination.label),
        "source": value.text("demonstration" if made.plan.demonstration else "live"),
        "findings": value.int(len(findings)),
        "findings_by_code": value.md(_findings_table(made)),
        **read,
        "deactivated": value.int(counts.deactivated),
    }


def _changes(made: MadeExport, counts: FileCounts) -> Metadata:
    """Counts against the last delivery; before the first there is nothing to compare."""
    value = dg.MetadataValue
    names = ("added", "changed", "removed", "unchanged")
    compared = {n: value.int(getattr(counts, n)) for n in names}
    commands = {f"sent_as_{c}": value.int(n) for c, n in counts.commands.items()}
    return {**(compared if made.export.plan.baseline else {}), **commands}


def _findings_table(made: MadeExport) -> str:
    """Findings per code, errors first; what to do is in `d118 findings`."""
    findings = made.export.findings
    level = {finding.code: finding.level for finding in findings}
    rank = {"error": 0, "warning": 1, "information": 2}
    counted = sorted(
        codes_counted(findings).items(),
        key=lambda item: (rank[level[item[0]]], -item[1]),
    )
    rows = [(number, code, level[code]) for code, number in counted]
    lines = [markdown_table(["records", "code", "level"], rows)]
    return "\n".join([*lines, "", f"What to do: `d118 findings {made.plan.target}`"])


def _plan_page(made: MadeExport) -> str:
    plan = made.export.plan
    against = (
        f"against delivery {plan.baseline[:8]}" if plan.baseline else "first delivery"
    )
    lines = [
        f"Plan `{plan.hash[:8]}`, {against}: **{verdict_shown(made.plan, made.approval)}**",
        "",
    ]
    if not plan.baseline:
        rows = [(name, c.rows) for name, c in plan.counts.items()]
        return "\n".join([*lines, markdown_table(["file", "records"], rows)])
    kinds = ("added", "changed", "removed", "unchanged")
    counted = [
        (name, c.rows, *(getattr(c, kind) for kind in kinds))
        for name, c in plan.counts.items()
    ]
    lines.append(markdown_table(["file", "records", *kinds], counted))
    changes = changes_of(made.export.folder, limit=SHOWN_CHANGES)
    if changes:
        cells = [(c.file, c.action, c.key, ", ".join(c.fields)) for c in changes]
        lines += ["", markdown_table(["file", "change", "key", "columns"], cells)]
        lines += ["", f"All changes: `d118 plan {made.plan.target}`"]
    return "\n".join(lines)


def _facts(facts: FileFacts | None) -> Metadata:
    """Numbers that the UI plots, and a chart with the rows by school and kind."""
    if facts is None:
        return {}
    value = dg.MetadataValue
    shown: Metadata = {
        f"people_{kind or 'any'}": value.int(number)
        for kind, number in facts.people.items()
    }
    if facts.schools:
        shown["by_school"] = value.md(_by_school(facts.schools))
    return shown


def _by_school(schools: dict[str, dict[str, int]]) -> str:
    kinds = sorted({kind for counts in schools.values() for kind in counts})
    heads = [kind or "rows" for kind in kinds]
    ranked = sorted(schools.items(), key=lambda i: (-sum(i[1].values()), i[0]))
    most = sum(ranked[0][1].values()) or 1
    rows = []
    for school, counts in ranked[:SHOWN_SCHOOLS]:
        bar = _BAR * max(1, round(_BARS * sum(counts.values()) / most))
        rows.append([school or "-", *(counts.get(kind, 0) for kind in kinds), bar])
    lines = [markdown_table(["school", *heads, ""], rows)]
    if len(schools) > SHOWN_SCHOOLS:
        lines += ["", f"and {len(schools) - SHOWN_SCHOOLS} more schools"]
    return "\n".join(lines)
