"""What an export is made from: extracts, staged rosters and the roster of record.

Called by `export.py`; it finds them and says since when they are true.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from d118_pipelines.config.district import District
from d118_pipelines.config.project import Project
from d118_pipelines.errors import IncompleteExtractError, MissingSecretError
from d118_pipelines.kernel.frames import open_frames, parquet
from d118_pipelines.roster.model.tables import sis_providers
from d118_pipelines.roster.staging.staged import Staged, find_staged
from d118_pipelines.roster.store.snapshot import write_snapshot
from d118_pipelines.sources.powerschool.pull import READ_FROM
from d118_pipelines.sources.pull import Pull
from d118_pipelines.state.arrow import arrow_reading
from d118_pipelines.state.database import Database
from d118_pipelines.state.plans import latest_plan
from d118_pipelines.targets.build import Inputs
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.school_days import KINDS, Span, days_of, spans_of
from d118_pipelines.targets.secret_columns import secret_variables
from d118_pipelines.workflows.providers.powerschool_source import (
    SYSTEM,
    extract_command,
    find_extract,
)

Parts = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The inputs, since when they are true, and whether people in them are made up.

    data_at: the oldest of them; for the roster, the last sync of the provider whose
    sync is longest ago. read_from: what they came from, for a person.
    """

    inputs: Inputs
    data_at: dt.datetime
    is_demonstration: bool
    read_from: str


def gather(
    project: Project,
    target: Target,
    database: Database,
    *,
    run_id: str,
    folder: Path,
    now: dt.datetime,
) -> Gathered:
    """Find what this run made, else the newest; the roster is copied into `folder`.

    Raises: IncompleteExtractError if an extract, a staged roster or the roster that the
    SQL reads was never made; MissingSecretError for a secret column without a value.
    """
    found = {parts: find_input(project, parts, run_id) for parts in target.reads}
    times = [source.made_at for _, source in found.values()]
    demonstration = any(source.is_demonstration for _, source in found.values())
    roster: dict[str, Path] = {}
    district = project.district()
    relations = roster_relations(target, district)
    if relations:
        synced, is_made_up = _roster_state(database, district.id)
        times.append(synced)
        demonstration |= is_made_up
        with (
            closing(open_frames(temp_folder=folder)) as duck,
            arrow_reading(database) as reader,
        ):
            roster = write_snapshot(
                reader, duck, relations, district=district.id, folder=folder
            )
    extracts = {parts: file for parts, (file, _) in found.items()}
    days = _school_days(target, district, roster, now.astimezone(district.zone).date())
    inputs = Inputs(extracts, roster, secret_values(target), days)
    pulls = [source for _, source in found.values() if isinstance(source, Pull)]
    read = {pull.details.get(READ_FROM, pull.provider) for pull in pulls}
    read |= {"the roster"} if relations else set()
    read |= {f"staged/{parts[1]}" for parts in found if parts[0] == "staged"}
    made_up = " (made-up people)" if demonstration and relations else ""
    told = ", ".join(sorted(read)) + made_up
    return Gathered(inputs, min(times, default=now), demonstration, told)


def roster_relations(target: Target, district: District) -> list[str]:
    """The relations of the roster that a target needs: its SQL's, and those of its days."""
    needed = any(not given_spans(district, kind) for kind in target.days_used)
    return sorted({*target.roster_reads, *(["terms"] if needed else [])})


def given_spans(district: District, kind: str) -> list[Span]:
    """The school years or terms of `config/district.yaml`."""
    return [(one.first, one.last) for one in getattr(district, KINDS[kind])]


def _school_days(
    target: Target, district: District, roster: Mapping[str, Path], day: dt.date
) -> dict[str, dt.date]:
    """The days of the school year and the term that a target's SQL uses."""
    days: dict[str, dt.date] = {}
    for kind in target.days_used:
        spans = given_spans(district, kind)
        if not spans:
            with closing(open_frames()) as duck:
                spans = spans_of(duck, kind, parquet(roster["terms"]))
        days |= days_of(kind, spans, day)
    return days


def secret_values(target: Target) -> dict[str, str]:
    """The secrets that are columns of the target. Raises: MissingSecretError for all."""
    wanted = secret_variables(target.model)
    if unset := [name for name in wanted if not os.environ.get(name)]:
        columns = ", ".join(wanted[name] for name in unset)
        raise MissingSecretError(
            f"{target.name} needs in .env: {', '.join(unset)}.",
            rule=f"A column ${{NAME}} has the value of that variable: {columns}.",
            not_done="Nothing was exported.",
            next_step="Set it in .env, then run: d118 doctor",
        )
    return {name: os.environ[name] for name in wanted}


def find_input(
    project: Project, parts: Parts, run_id: str
) -> tuple[Path, Staged | Pull]:
    """The file of an extract or staged entity, the run's own or the newest, and its whole.

    Raises: IncompleteExtractError if there is none.
    """
    layer, system, entity = parts
    if layer == "staged":
        staged = find_staged(project.home / "staged" / system, run_id)
        if staged is None or entity not in staged.entities:
            raise _not_made("/".join(parts), f"d118 run {system}")
        return staged.rows_file(entity), staged
    extract = find_extract(project, system, entity, run_id)
    if extract is None:
        name = "/".join(parts)
        command = extract_command(name) if system == SYSTEM else f"d118 run {system}"
        raise _not_made(name, command)
    return extract.rows_file(entity), extract


def _not_made(name: str, command: str) -> IncompleteExtractError:
    return IncompleteExtractError(
        f"There is no complete extract {name} yet.",
        not_done="Nothing was exported.",
        next_step=f"Make it: {command}",
    )


def _roster_state(database: Database, district: str) -> tuple[dt.datetime, bool]:
    """Since when the roster is true, and whether a demonstration fed it."""
    c = sis_providers.c
    with database.reading() as connection:
        rows = connection.execute(
            sa.select(c.id, c.last_sync_at).where(
                c.tenant_id == district,
                c.enabled,
                c.provider_type != "VENDOR_FILE",  # it feeds no roster
                c.last_sync_at.is_not(None),
            )
        ).all()
        plans = [latest_plan(connection, row.id) for row in rows]
    if not rows:
        raise IncompleteExtractError(
            "The roster is empty: no enabled provider has been synced.",
            not_done="Nothing was exported.",
            next_step="See them with d118 providers list, then run: d118 run PROVIDER",
        )
    is_made_up = any(plan is not None and plan.demonstration for plan in plans)
    return min(row.last_sync_at for row in rows), is_made_up
