"""What `d118 plan` and `d118 findings` show of a provider: keys and counts, no values."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from d118_pipelines.cli.context import local, newest_plan
from d118_pipelines.cli.output import (
    save_workbook,
    say,
    show_csv,
    show_json,
    show_table,
)
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.planning.plan import RosterPlan, read_plan
from d118_pipelines.roster.staging.staged import find_staged
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan, valid_approval

SHOWN_CHANGES = 40
_COUNTS = (
    "active",
    "fetched",
    "created",
    "updated",
    "reactivated",
    "deactivated",
    "unchanged",
    "withheld",
    "conflicts",
    "errors",
)


def show_roster_plan(
    project: Project,
    provider: Provider,
    *,
    school: str | None,
    entity: str | None,
    show_all: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print the provider's newest plan."""
    stored = newest_plan(project, provider.id)
    plan = _stored_folder(project, provider, stored)
    limit = None if show_all or as_json or as_csv else SHOWN_CHANGES
    rows = changes(plan, school=school, entity=entity, limit=limit)
    if as_csv:
        show_csv(rows)
        return
    with state_database(project).transaction() as connection:
        approval = valid_approval(
            connection, target=provider.id, plan_hash=plan.hash, now=utc_now()
        )
    if as_json:
        values = {**asdict(stored), "rules": [asdict(r) for r in stored.rules]}
        schools = [asdict(one) for one in _schools(plan, school, entity)]
        show_json({**values, "schools": schools, "approval": approval, "changes": rows})
        return
    made = local(project, stored.created_at)
    state = "released by an approval" if approval else stored.verdict
    say(
        f"Plan {plan.hash[:8]} of {provider.id}, made {made:%Y-%m-%d %H:%M %Z}, against "
        f"revision {plan.revision} of the roster: {state}"
    )
    show_table("Entities", _entities(plan))
    show_table("Guard", _rules(stored))
    show_table(
        "Schools that change",
        [_school_row(one) for one in _schools(plan, school, entity)],
        empty="None.",
    )
    show_table("Changes", rows, empty="None.")
    if limit is not None and len(rows) == limit < plan.changes:
        say(f"More: d118 plan {provider.id} --all")
    if stored.verdict == "held" and not approval:
        say(f'Held. Release: d118 approve {provider.id} {plan.hash[:8]} --reason "..."')


def show_roster_findings(
    project: Project,
    provider: Provider,
    *,
    code: str | None,
    as_json: bool,
    as_csv: bool,
    xlsx: Path | None,
) -> None:
    """Print the findings of the provider's newest staged roster."""
    staged = find_staged(project.home / "staged" / provider.id)
    if staged is None:
        raise ConfigurationError(
            f"Nothing of {provider.id} is staged yet.",
            next_step=f"d118 run {provider.id}",
        )
    rows = _findings(staged.findings_file, code)
    if xlsx:
        save_workbook(xlsx, f"Findings of {provider.id}", rows)
    elif as_json:
        show_json(rows)
    elif as_csv:
        show_csv(rows)
    else:
        counted = [
            {"code": name, "records": number}
            for name, number in sorted(staged.findings.items(), key=lambda i: -i[1])
            if code in (None, name)
        ]
        show_table(f"Findings of {provider.id}", counted, empty="No finding.")
        if rows:
            show_table("Records", rows)
            say("What each code means and what to do: docs/reference/rule_codes.md")


def changes(
    plan: RosterPlan,
    *,
    school: str | None = None,
    entity: str | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """The plan's rows: entity, action, key, reason, rule, names of changed fields.

    school: its number or external id. limit: at most so many rows.
    """
    from d118_pipelines.kernel.frames import open_frames

    ids = {s.school_id for s in plan.schools if s.school == school} if school else None
    rows: list[dict[str, Any]] = []
    duck = open_frames()
    try:
        for name in plan.entities if entity is None else [entity]:
            path = plan.changes_file(name)
            if not path.is_file():
                continue
            found = duck.execute(
                "SELECT action, external_id, reason, rule, fields, school_id FROM "
                "read_parquet(?) WHERE ?::VARCHAR[] IS NULL OR list_contains(?, school_id) "
                "ORDER BY action, external_id LIMIT ?",
                [str(path), ids and list(ids), list(ids or []), limit or 2**40],
            ).fetchall()
            rows += [
                {
                    "entity": name,
                    "action": action,
                    "key": key,
                    "reason": reason or rule or "",
                    "fields": ", ".join(fields or []),
                }
                for action, key, reason, rule, fields, _ in found
            ]
            if limit is not None and len(rows) >= limit:
                return rows[:limit]
    finally:
        duck.close()
    return rows


def _stored_folder(
    project: Project, provider: Provider, stored: StoredPlan
) -> RosterPlan:
    folder = project.home / stored.folder
    if not folder.is_dir():
        raise ConfigurationError(
            f"The rows of plan {stored.plan_hash[:8]} are gone.",
            rule="They are kept until retention removes them.",
            next_step=f"Make a new one: d118 run {provider.id}",
        )
    return read_plan(folder)


def _entities(plan: RosterPlan) -> list[dict[str, Any]]:
    return [
        {"entity": name, **{column: counts.as_dict()[column] for column in _COUNTS}}
        for name, counts in plan.counts.items()
    ]


def _rules(stored: StoredPlan) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule.code,
            "result": "ok" if rule.passed else rule.kind.upper(),
            "figures": rule.message,
        }
        for rule in stored.rules
    ]


def _schools(plan: RosterPlan, school: str | None, entity: str | None) -> list[Any]:
    return [
        one
        for one in plan.schools
        if school in (None, one.school)
        and entity in (None, one.entity)
        and (one.created or one.updated or one.reactivated or one.leaving)
    ]


def _school_row(one: Any) -> dict[str, Any]:
    return {
        "school": one.school,
        "entity": f"{one.entity}/{one.group}" if one.group else one.entity,
        "active": one.active,
        "created": one.created,
        "updated": one.updated,
        "reactivated": one.reactivated,
        "leaving": one.leaving,
    }


def _findings(path: Path, code: str | None) -> list[dict[str, Any]]:
    from d118_pipelines.kernel.frames import open_frames

    duck = open_frames()
    try:
        found = duck.execute(
            "SELECT code, severity, entity, external_id, field, source_file, "
            "source_line, detail, count FROM read_parquet(?) "
            "WHERE ?::VARCHAR IS NULL OR code = ? ORDER BY "
            "list_position(['fatal', 'reject', 'warn', 'info'], severity), "
            "code, entity, external_id, source_line, field",
            [str(path), code, code],
        ).fetchall()
    finally:
        duck.close()
    names = (
        "code",
        "level",
        "entity",
        "key",
        "field",
        "file",
        "line",
        "detail",
        "count",
    )
    return [dict(zip(names, row, strict=True)) for row in found]
