"""`d118 plan` and `d118 findings`: what the newest export would change, and its problems."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import (
    AnyName,
    AsCsv,
    AsJson,
    Workbook,
    find_provider,
    local,
    named,
    newest_plan,
)
from d118_pipelines.cli.output import (
    save_workbook,
    say,
    show_csv,
    show_json,
    show_table,
)
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan, valid_approval
from d118_pipelines.targets.records import (
    FINDING_COLUMNS,
    codes_counted,
    findings_of,
)
from d118_pipelines.targets.show import changes_of

SHOWN_CHANGES = 40


def plan(
    target: AnyName,
    show_all: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    school: Annotated[
        str | None, typer.Option(help="Of a provider: only this school.")
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="Of a provider: only this entity.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the newest plan: totals, each guard rule, what changes (keys, no values)."""
    project = Project.here()
    provider = find_provider(project, target)
    if provider is not None:
        from d118_pipelines.cli.roster_plans import show_roster_plan

        show_roster_plan(
            project,
            provider,
            school=school,
            entity=entity,
            show_all=show_all,
            as_json=as_json,
            as_csv=as_csv,
        )
        return
    named(project, target)
    stored = newest_plan(project, target)
    with state_database(project).transaction() as connection:
        approval = valid_approval(
            connection, target=target, plan_hash=stored.plan_hash, now=utc_now()
        )
    folder = project.home / stored.folder
    changes = changes_of(folder) if folder.is_dir() and stored.baseline else []
    rows = [{**asdict(c), "fields": ", ".join(c.fields)} for c in changes]
    if as_csv:
        show_csv(rows)
        return
    if as_json:
        show_json({**_plain(stored), "approval": approval, "changes": rows})
        return
    made = local(project, stored.created_at)
    state = "released by an approval" if approval else stored.verdict
    against = (
        f"delivery {stored.baseline[:8]}" if stored.baseline else "nothing (first)"
    )
    say(
        f"Plan {stored.plan_hash[:8]} of {target}, made {made:%Y-%m-%d %H:%M %Z}, "
        f"against {against}: {state}"
    )
    show_table("Files", _file_rows(stored))
    show_table("Guard", _rule_rows(stored))
    if rows:
        shown = rows if show_all else rows[:SHOWN_CHANGES]
        show_table("Changes", shown)
        if len(shown) < len(rows):
            say(f"{len(rows) - len(shown):,} more: d118 plan {target} --all")
    if stored.verdict == "held" and not approval:
        short = stored.plan_hash[:8]
        say(f'Held. Release: d118 approve {target} {short} --reason "..."')


def findings(
    target: AnyName,
    code: Annotated[str | None, typer.Option(help="Only this code.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: Workbook = None,
) -> None:
    """List the findings of the newest export or staged roster: code, key, field."""
    project = Project.here()
    provider = find_provider(project, target)
    if provider is not None:
        from d118_pipelines.cli.roster_plans import show_roster_findings

        show_roster_findings(
            project, provider, code=code, as_json=as_json, as_csv=as_csv, xlsx=xlsx
        )
        return
    named(project, target)
    stored = newest_plan(project, target)
    with state_database(project).transaction() as connection:
        found = findings_of(connection, stored)
    chosen = [f for f in found if code in (None, f.code)]
    rows = [{name: getattr(f, name) for name in FINDING_COLUMNS} for f in chosen]
    if xlsx:
        save_workbook(xlsx, f"Findings of {target}", rows)
    elif as_json:
        show_json(rows)
    elif as_csv:
        show_csv(rows)
    else:
        level = {f.code: f.level for f in chosen}
        counts = codes_counted(chosen)
        show_table(
            f"Findings of {target}",
            [{"code": c, "level": level[c], "records": n} for c, n in counts.items()],
            empty="No finding.",
        )
        if rows:
            show_table("Records", rows)


def _plain(stored: StoredPlan) -> dict[str, Any]:
    return {**asdict(stored), "rules": [asdict(rule) for rule in stored.rules]}


def _file_rows(stored: StoredPlan) -> list[dict[str, Any]]:
    entries = [m for file in stored.files for m in file.get("members", [file])]
    names = {entry["table"]: entry["name"] for entry in entries}
    rows = []
    for table, counts in stored.counts.get("files", {}).items():
        rows.append(
            {
                "file": names.get(table, f"{table} (not sent)"),
                **{
                    name: counts[name]
                    for name in ("rows", "added", "changed", "removed", "unchanged")
                },
                "changed columns": ", ".join(
                    f"{field} {n}" for field, n in counts["changed_fields"].items()
                ),
                "commands": ", ".join(
                    f"{c} {n}" for c, n in counts["commands"].items()
                ),
            }
        )
    return rows


def _rule_rows(stored: StoredPlan) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule.code,
            "result": "ok" if rule.passed else rule.kind.upper(),
            "figures": rule.message,
        }
        for rule in stored.rules
    ]
