"""Whether a target's SQL runs, tried before the night.

Called by `d118 doctor`, and for the page docs/reference/readable_columns.md. First on
no rows, of the newest extracts' columns or else the declared ones; then on the newest
extracts themselves, where all are there. Nothing is stored or sent.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from contextlib import closing
from pathlib import Path

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ExportError, IncompleteExtractError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.frames import open_frames, parquet
from d118_pipelines.kernel.sql_text import identifier, literal
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.store.snapshot import relation_columns
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.build import Inputs, build_export
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.ledger import LedgerSnapshot
from d118_pipelines.targets.population import doubled_by
from d118_pipelines.workflows.providers.powerschool_source import (
    SYSTEM,
    query_columns,
)
from d118_pipelines.workflows.providers.vendor_files import declared_columns
from d118_pipelines.workflows.targets.export_inputs import (
    Parts,
    find_input,
    gather,
    secret_values,
)

RUN_ID = "doctor"
_NOTHING = LedgerSnapshot((), None, False, None)


def bind(project: Project, target: Target) -> str:
    """Try all SQL of the target; returns what it was tried on, in words.

    Raises: ConfigurationError for SQL that does not fit its relations; ExportError if
    a join doubles records; IncompleteExtractError if the columns of an extract that was
    never made are unknown; MissingSecretError for a secret column without a value.
    """
    with tempfile.TemporaryDirectory(dir=project.folder("tmp")) as place:
        folder = Path(place)
        relations = {parts: _relation(project, parts) for parts in target.reads}
        _build(project, _in_term(target), _no_rows(relations, target, folder), folder)
        made = [text for text in relations.values() if text.startswith("FROM ")]
        if len(made) < len(relations):
            return "fits the declared columns; no extract to try it on yet"
        try:
            database, now = state_database(project), utc_now()
            found = gather(
                project, target, database, run_id=RUN_ID, folder=folder, now=now
            )
        except IncompleteExtractError:
            return "fits the declared columns; the roster is empty"
        _build(project, target, found.inputs, folder)
        return "runs on the newest extracts"


def columns_of(project: Project, parts: Parts) -> dict[str, str]:
    """The declared columns of `layer.system.entity` with their DuckDB types.

    Raises: IncompleteExtractError for an extract whose columns are the provider's own.
    """
    layer, system, entity = parts
    if layer == "staged" and entity in ENTITIES:
        return ENTITIES[entity].staged_columns()
    if (layer, system) == ("raw", SYSTEM):
        return query_columns(project, entity)
    for provider in project.providers():
        declared = declared_columns(provider, entity)
        if (layer, system) == ("raw", provider.id) and declared:
            return declared
    raise IncompleteExtractError(
        f"There is no complete extract {'/'.join(parts)} yet.",
        rule="Its columns are those that the provider sends.",
        not_done="The SQL was not tried.",
        next_step=f"d118 run {system}",
    )


def _relation(project: Project, parts: Parts) -> str:
    """SQL of the newest rows, else of the declared columns without a row."""
    try:
        file, _ = find_input(project, parts, RUN_ID)
    except IncompleteExtractError:
        return _of_columns(columns_of(project, parts))
    return f"FROM {parquet(file)}"


def _of_columns(columns: dict[str, str]) -> str:
    typed = (f"CAST(NULL AS {kind}) AS {identifier(n)}" for n, kind in columns.items())
    return f"SELECT {', '.join(typed)}"


def _no_rows(relations: dict[Parts, str], target: Target, folder: Path) -> Inputs:
    """Files with the columns of all that the target reads, and no row."""
    roster = {name: _of_columns(relation_columns(name)) for name in target.roster_reads}
    today = dt.date.today()
    days = {f"{k}_{end}": today for k in target.days_used for end in ("begin", "end")}
    with closing(open_frames()) as duck:

        def written(name: str, sql: str) -> Path:
            path = folder / f"{name}.columns.parquet"
            duck.execute(f"COPY ({sql} LIMIT 0) TO {literal(path)} (FORMAT parquet)")
            return path

        return Inputs(
            {parts: written(".".join(parts), sql) for parts, sql in relations.items()},
            {name: written(f"roster.{name}", sql) for name, sql in roster.items()},
            secret_values(target),
            days,
        )


def _in_term(target: Target) -> Target:
    """The target as if a term were current: without a row none is."""
    model = target.model.model_copy(update={"in_term": None})
    return Target(target.path, model, target.sql_folder, target.layouts)


def _build(project: Project, target: Target, inputs: Inputs, folder: Path) -> None:
    """Make the set in `folder`. Raises: as `bind`."""
    now = utc_now()
    export = build_export(
        target,
        inputs=inputs,
        snapshot=_NOTHING,
        baseline_folder=None,
        destination=RUN_ID,
        folder=Path(tempfile.mkdtemp(dir=folder)),
        data_at=now,
        now=now,
        zone=project.district().zone,
    )
    for rule in export.rules if export else ():
        if rule.code == "guard.keys_unique" and not rule.passed:
            raise ExportError(rule.message, rule=doubled_by(target, "the key"))
