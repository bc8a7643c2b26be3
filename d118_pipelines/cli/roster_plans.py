"""What `d118 findings` shows of a provider: keys and counts, no values.

Called by `plans.py`, which has the findings of targets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from d118_pipelines.roster.staging.staged import find_staged


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
            f"{provider.id} has no staged roster yet.",
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
