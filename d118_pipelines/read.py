"""Extracts, staged rosters, the roster and exports as pandas DataFrames.

Called by analysts, never by a run; each function gives the newest complete one. Page:
docs/read_with_pandas.md. Text is `string`, whole numbers `Int64`, booleans `boolean`
(nullable), numbers `float64`, dates and times `datetime64[us]` (UTC). The rows are
people: keep them where they are.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d118_pipelines.config.env_file import read_env_file
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.run_folders import newest_run_folder
from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.staging.staged import find_staged
from d118_pipelines.roster.store.snapshot import relation_columns, write_snapshot
from d118_pipelines.sources.pull import find_pull
from d118_pipelines.state.arrow import arrow_reading
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition import read_targets
from d118_pipelines.workflows.providers.powerschool_source import (
    extract_command,
    find_extract,
)

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Place = Project | Path | str | None
"""A project's folder; None is the project of the working directory."""

# What a column becomes before pandas reads it; types not named here stay as they are.
_CASTS = {
    **dict.fromkeys(["DATE", "TIMESTAMP WITH TIME ZONE"], "TIMESTAMP"),
    **dict.fromkeys(["TINYINT", "SMALLINT", "INTEGER", "HUGEINT"], "BIGINT"),
    "FLOAT": "DOUBLE",
    "UUID": "VARCHAR",
}


def extract(name: str, *, project: Place = None) -> pd.DataFrame:
    """A raw extract, exactly as its system gave it.

    name: a query of sql/powerschool, as `staff`; or `<provider>/<collection>`, as
    `clever/users`, whose rows have the JSON text `record` (from a server) or one column
    per column of the file, all text.
    Raises: ConfigurationError if there is none.
    """
    place = _project(project)
    system, _, part = name.rpartition("/")
    system = system or "powerschool"
    found = find_extract(place, system, part)
    if found is None:
        pull = find_pull(place.home / "raw" / system)
        kept = set(pull.collections if pull else ())
        kept |= {folder.name for folder in (place.home / "raw" / system).glob("[a-z]*")}
        command = f"d118 run {system}"
        if system == "powerschool":
            command = extract_command(f"raw/powerschool/{part}")
        raise _missing(f"extract {name}", sorted(kept), command)
    return _frame(found.rows_file(part))


def staged(provider: str, entity: str, *, project: Place = None) -> pd.DataFrame:
    """The rows of one entity as they were staged from a provider, before matching.

    One row per external id; see docs/reference/roster_model.md for the columns.
    Raises: ConfigurationError if there is none.
    """
    found = find_staged(_project(project).home / "staged" / provider)
    if found is None or entity not in found.entities:
        kept = list(found.entities) if found else []
        raise _missing(
            f"staged roster {provider}/{entity}", kept, f"d118 run {provider}"
        )
    return _frame(found.rows_file(entity))


def roster(entity: str, *, project: Place = None) -> pd.DataFrame:
    """The roster of record: what targets read, live records only, one row per id.

    entity: a relation of docs/reference/roster_model.md, as `users` or `user_roles`.
    Raises: ConfigurationError if there is no such relation, or no roster yet.
    """
    place = _project(project)
    relation_columns(entity)
    if not (place.home / "d118.sqlite").is_file() and not os.environ.get(
        "DATABASE_URL"
    ):
        raise _missing("roster", [], "d118 run powerschool")
    with (
        tempfile.TemporaryDirectory() as folder,
        open_frames() as duck,
        arrow_reading(state_database(place)) as reader,
    ):
        district = place.district().id
        files = write_snapshot(
            reader, duck, [entity], district=district, folder=Path(folder)
        )
        return _frame(files[entity])


def export(target: str, file: str, *, project: Place = None) -> pd.DataFrame:
    """The rows of one file as the target's newest export has it, sent or held.

    file: its name, as `StaffData.txt`, or its name in the target's YAML, as
    `staff_data`. The columns are those of the file, all text.
    Raises: ConfigurationError if there is no such target, file or export.
    """
    place = _project(project)
    targets = {
        one.name: one for one in read_targets(place.root, place.district().targets)
    }
    if target not in targets:
        raise _missing(f"target {target}", list(targets), "d118 targets list")
    files = {f.file: f for f in targets[target].model.files}
    wanted = next((f for f in files.values() if file in (f.file, f.name)), None)
    folder = newest_run_folder(place.home / "exports" / target)
    if wanted is None or folder is None:
        raise _missing(f"export {target}/{file}", list(files), f"d118 run {target}")
    columns = [column.header for column in wanted.columns]
    return _frame(folder / f"{wanted.name}.parquet", columns)


def _project(place: Place) -> Project:
    if isinstance(place, Project):
        return place
    root = Project.here().root if place is None else Path(place).resolve()
    read_env_file(root)
    return Project(root, root / os.environ.get("D118_HOME", "var"))


def _frame(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """A Parquet file with the types that this module promises."""
    with open_frames() as duck:
        rows = duck.sql(f"FROM read_parquet({literal(path)})")
        kinds = dict(zip(rows.columns, map(str, rows.types), strict=True))
        chosen = [
            f'CAST("{name}" AS {_CASTS.get(kinds[name], kinds[name])}) AS "{name}"'
            for name in columns or kinds
        ]
        return _as_pandas(rows.project(", ".join(chosen)))


def _as_pandas(rows: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    import pandas as pd  # heavy, and never in a run
    import pyarrow as pa

    kinds: dict[Any, Any] = {
        pa.string(): pd.StringDtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    return rows.to_arrow_table().to_pandas(types_mapper=kinds.get)


def _missing(what: str, kept: list[str], command: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no {what}.",
        rule=f"There are: {', '.join(sorted(kept))}." if kept else "",
        not_done="Nothing was read.",
        next_step=command,
    )
