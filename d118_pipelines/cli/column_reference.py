"""`python -m d118_pipelines.cli.column_reference`: prints what a target's SQL may read.

Called by `make cli-reference`; a test holds docs/reference/readable_columns.md to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from d118_pipelines.config.project import Project
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.store.snapshot import RELATIONS, relation_columns
from d118_pipelines.workflows.providers.powerschool_source import SYSTEM, query_files
from d118_pipelines.workflows.targets.binding import columns_of

_HEAD = """\
# What a target's SQL may read

Made from the code by `make cli-reference`; do not edit. `d118 doctor` tries each target's SQL on
these columns, and on the newest extracts where they are there.

A `raw` extract of another provider has the columns that it sends; see them with
`d118_pipelines.read` after the first `d118 run <provider>`.
"""


def page(project: Project) -> str:
    """The whole of docs/reference/readable_columns.md."""
    roster = {f"roster.{name}": relation_columns(name) for name in RELATIONS}
    raw = {
        f"raw.{SYSTEM}.{path.stem}": columns_of(project, ("raw", SYSTEM, path.stem))
        for path in query_files(project)
    }
    staged = {
        f"staged.<provider>.{name}": columns_of(project, ("staged", "", name))
        for name in ENTITIES
    }
    sections = {
        "The roster of record": roster,
        "Queries of PowerSchool": raw,
        "Staged rosters": staged,
    }
    return _HEAD + "".join(
        f"\n## {title}\n" + "".join(_relations(relations))
        for title, relations in sections.items()
    )


def _relations(relations: dict[str, dict[str, str]]) -> Iterable[str]:
    for name, columns in relations.items():
        yield f"\n### {name}\n\n| column | type |\n|---|---|\n"
        yield from (f"| `{column}` | {kind} |\n" for column, kind in columns.items())


if __name__ == "__main__":
    print(page(Project.here()), end="")
