"""`python -m d118_pipelines.cli.asset_reference`: prints every asset and automation.

Called by `make cli-reference`, in the repository; a test holds docs/reference/assets.md
to it. Of a district's own folder `dagster definitions` and the UI say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from d118_pipelines.config.project import Project

_HEAD = """\
# Every asset and automation

Made from the code by `make cli-reference`; do not edit. It is the repository's own folder: PowerSchool
enabled, all shipped targets. Each further provider has the same assets under its id, and a target of your
own those of its name.
"""


def page(project: Project) -> str:
    """The whole of docs/reference/assets.md."""
    from d118_pipelines.definitions import build_definitions

    defs = build_definitions(replace(project))
    assets = sorted(
        defs.resolve_all_asset_specs(), key=lambda spec: list(spec.key.path)
    )
    repository = defs.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    return "".join(
        [
            _HEAD,
            *_table(
                "Assets",
                ("asset", "what"),
                ((s.key.to_user_string(), s.description) for s in assets),
            ),
            *_table("Jobs", ("job", "what"), ((j.name, j.description) for j in jobs)),
            *_table(
                "Schedules",
                ("schedule", "starts", "when"),
                (
                    (s.name, s.job_name, f"`{s.cron_schedule}` {s.execution_timezone}")
                    for s in repository.schedule_defs
                ),
            ),
            *_table(
                "Sensors",
                ("sensor", "what"),
                ((s.name, s.description) for s in repository.sensor_defs),
            ),
        ]
    )


def _table(
    title: str, headings: tuple[str, ...], rows: Iterable[tuple[str | None, ...]]
) -> Iterable[str]:
    yield f"\n## {title}\n\n| {' | '.join(headings)} |\n|{'---|' * len(headings)}\n"
    for name, *rest in sorted(rows, key=lambda row: row[0] or ""):
        cells = (_first_line(cell) for cell in rest)
        yield f"| `{name}` | {' | '.join(cells)} |\n"


def _first_line(text: str | None) -> str:
    """The first sentence or line, as a cell."""
    first = (text or "").strip().partition("\n\n")[0].replace("\n", " ")
    return first.replace("|", "\\|")


if __name__ == "__main__":
    print(page(Project.here()), end="")
