"""`d118 explain`: why is this person in or out of the files?

Called by the command line; the findings of all people are in `plans.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from d118_pipelines.cli.context import AsJson, TargetName, local, named_target
from d118_pipelines.cli.output import say, show_json, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.targets.build import OUTCOME_FILE
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.records import findings_of
from d118_pipelines.targets.show import changes_of
from d118_pipelines.targets.tables import read_rows
from d118_pipelines.workflows.admission import newest_plan
from d118_pipelines.workflows.powerschool_source import find_extract
from d118_pipelines.workflows.target_feed import TargetFeed

Key = Annotated[str, typer.Argument(help="The record's key, for staff USERS.DCID.")]
ShowValues = Annotated[
    bool, typer.Option("--show-values", help="Print the lines themselves.")
]


def explain(
    target: TargetName,
    key: Key,
    show_values: ShowValues = False,
    as_json: AsJson = False,
) -> None:
    """Follow one person through the newest export: extract, rule, line, last sent."""
    project = Project.here()
    wanted = named_target(project, target)
    plan = newest_plan(TargetFeed(project, wanted))
    folder = project.home / plan.folder
    if not folder.is_dir():
        raise ConfigurationError(
            f"The export behind plan {plan.plan_hash[:8]} no longer exists.",
            next_step=f"Make a new one: d118 run {target}",
        )
    answer = {
        "target": target,
        "key": key,
        "extracts": _extracts(project, wanted, plan),
        "outcome": _outcome(wanted, folder, key),
        "lines": _lines(wanted, folder, key, show_values=show_values),
        "findings": _findings(project, plan, key),
        "change": [
            {"file": c.file, "change": c.action, "columns": ", ".join(c.fields)}
            for c in changes_of(folder)
            if c.key.split("/")[0] == key
        ],
        "sent": _sent(project, wanted, plan, key),
    }
    if as_json:
        show_json(answer)
    else:
        _show(answer)


def _extracts(
    project: Project, target: Target, plan: StoredPlan
) -> list[dict[str, Any]]:
    rows = []
    for parts in target.reads:
        layer, system, name = parts
        found = find_extract(project, system, name, plan.run_id)
        if layer == "raw" and found is not None:
            rows.append(
                {
                    "extract": "/".join(parts),
                    "made": local(project, found.made_at),
                    "rows": found.collections[name].rows,
                    "source": found.details.get("source", found.kind),
                }
            )
    return rows


def _outcome(target: Target, folder: Path, key: str) -> dict[str, str]:
    """What happened to the record, in one sentence, with the rule's code."""
    if target.model.population is None:
        text = f"{target.name} decides for each file: see lines and findings."
        return {"code": "file_by_file", "text": text}
    rows = read_rows(folder / OUTCOME_FILE, where=("key", key))
    if not rows:
        return {
            "code": "not_in_extract",
            "text": f"{key} is not in the extract: no such person, or no e-mail.",
        }
    code, action = rows[0]["code"], rows[0]["action"]
    if code is None:
        return {"code": "exported", "text": f"{key} is exported."}
    meaning = target.model.codes.get(code)
    words = {"ignore": "not selected", "skip": "skipped", "hold": "held back"}[action]
    todo = f" {meaning.todo}" if meaning else ""
    return {"code": code, "text": f"{key} is {words} by the rule {code}.{todo}"}


def _lines(
    target: Target, folder: Path, key: str, *, show_values: bool
) -> list[dict[str, Any]]:
    header = 1 if target.model.format.header else 0
    rows = []
    for file in target.model.files:
        table = folder / f"{file.name}.parquet"
        if not table.is_file():
            continue
        found = read_rows(table, where=("_record", key))
        if file.person and not found:
            found = read_rows(table, where=("_person", key))
        for row in found:
            line = {"file": file.file, "line": row["_row"] + header, "key": row["_key"]}
            if file.command:
                line["command"] = row[file.command]
            if show_values:
                line["text"] = row.get("_line", "not kept")
            rows.append(line)
    return rows


def _findings(project: Project, plan: StoredPlan, key: str) -> list[dict[str, str]]:
    with state_database(project).transaction() as connection:
        found = findings_of(connection, plan)
    return [
        {"code": f.code, "field": f.field, "detail": f.detail, "to do": f.todo}
        for f in found
        if f.key == key or f.key.endswith(f"/{key}")
    ]


def _sent(
    project: Project, target: Target, plan: StoredPlan, key: str
) -> list[dict[str, Any]]:
    c = db.delivery_ledger.c
    with state_database(project).transaction() as connection:
        rows = connection.execute(
            sa.select(db.delivery_ledger)
            .where(c.target == target.name, c.destination == plan.destination)
            .where(sa.or_(c.key == key, c.key.startswith(f"{key}/", autoescape=True)))
            .order_by(c.record_type, c.key, c.identity)
        ).all()
    return [
        {
            "record": f"{row.record_type} {row.key}",
            "sent as": row.identity,
            "command": row.command,
            "state": row.state,
            "first sent": local(project, row.first_delivered_at),
            "last sent": local(project, row.last_delivered_at),
        }
        for row in rows
    ]


def _show(answer: dict[str, Any]) -> None:
    say(answer["outcome"]["text"])
    show_table("Extract", answer["extracts"], empty="There is no stored extract.")
    show_table("Lines in the newest export", answer["lines"], empty="In no file.")
    show_table("Findings", answer["findings"], empty="None.")
    show_table("Change against the last delivery", answer["change"], empty="None.")
    show_table("Sent and read back", answer["sent"], empty="Never.")
