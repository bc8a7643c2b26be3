"""What staging is given: raw collections, the mapping in their shape, what is known.

Called by `sync.py`; it joins a stored pull with the mapping of one provider. Staging
itself is in `roster/staging`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import (
    CsvProvider,
    OneRosterCsvProvider,
    PowerSchoolProvider,
    Provider,
)
from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.shipped import file_of
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.model.mapping import MappingFile
from d118_pipelines.roster.planning.baseline import load_baseline
from d118_pipelines.roster.staging import powerschool
from d118_pipelines.roster.staging.final_rows import GIVEN_BY
from d118_pipelines.roster.staging.raw_relations import RawCollection
from d118_pipelines.roster.staging.staging import PLAIN_CSV_CAP, StagingOptions
from d118_pipelines.sources.pull import Pull, find_pull
from d118_pipelines.workflows.providers.provider_sources import wanted_entities

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.state.arrow import ArrowReader


@dataclass(frozen=True, slots=True)
class RawInputs:
    """The raw collections to stage, and what came with them."""

    collections: dict[str, RawCollection]
    findings: Path | None
    is_demonstration: bool
    details: Mapping[str, str] = field(default_factory=dict)


def raw_inputs(project: Project, provider: Provider, run_id: str) -> RawInputs:
    """What this run read, else the newest. Raises: IncompleteExtractError if nothing."""
    pull = find_pull(project.folder("raw", provider.id), run_id=run_id)
    if pull is None:
        raise nothing_yet(provider, "pull", f"d118 run {provider.id}")
    collections = raw_collections(pull, project.home)
    return RawInputs(
        collections, pull.findings_file, pull.is_demonstration, pull.details
    )


def raw_collections(pull: Pull, home: Path) -> dict[str, RawCollection]:
    """The collections of a pull, named by their files below `home`."""
    return {
        name: RawCollection(
            name,
            pull.rows_file(name),
            str(pull.rows_file(name).relative_to(home)),
            collection.absence,
            collection.is_delta,
            collection.rows,
        )
        for name, collection in pull.collections.items()
    }


def in_term(
    project: Project, model: PowerSchoolProvider, raw: RawInputs, folder: Path
) -> tuple[RawInputs, bool]:
    """The extracts with the relations that the queries share; False: out of term."""
    district = project.district()
    prepared = powerschool.prepare(
        {name: one.file for name, one in raw.collections.items()},
        powerschool.PowerSchoolSettings(
            district_id=district.id,
            district_name=district.name,
            today=utc_now().astimezone(district.zone).date(),
            lead_days=model.config.term_window.lead_days,
            tail_days=model.config.term_window.tail_days,
            student_email_domain=model.config.studentEmailDomain,
            state_exclude=model.config.stateExclude,
        ),
        folder,
        project.root,
    )
    shared = {
        name: RawCollection(name, file, "", "never", False, 0)
        for name, file in prepared.files.items()
    }
    whole = {**raw.collections, **shared}
    inputs = RawInputs(whole, prepared.findings_file, raw.is_demonstration)
    return inputs, prepared.is_in_term


def shaped(
    project: Project, provider: Provider, mapping: MappingFile, raw: RawInputs
) -> MappingFile:
    """The mapping; a OneRoster CSV set is first given the shape of the REST service."""
    if isinstance(provider.model, OneRosterCsvProvider):
        return rest_shape(mapping, raw.details, project.root)
    return mapping


def rest_shape(
    mapping: MappingFile, details: Mapping[str, str], root: Path
) -> MappingFile:
    """The mapping of a OneRoster CSV set, whose files its pull's details name.

    An entity without a file in the set is not staged: the set says nothing about it.
    """
    endpoints = tuple(
        replace(
            endpoint,
            query=file_of(root, f"sql/staging/oneroster_csv/{endpoint.collection}.sql"),
        )
        for endpoint in mapping.endpoints
        if f"mode.{endpoint.collection}" in details
    )
    return replace(mapping, endpoints=endpoints)


def staging_options(
    project: Project, provider: Provider, raw: RawInputs
) -> StagingOptions:
    """What the provider's entry says about staging."""
    district = project.district()
    options = StagingOptions(
        district_id=district.id,
        provider_id=provider.id,
        entities=frozenset(wanted_entities(provider)),
        is_demonstration=raw.is_demonstration,
        parameters={"district_name": district.name},
        merge_same_person=provider.model.merge_same_person,
    )
    if isinstance(provider.model, CsvProvider):
        return replace(options, reject_cap=PLAIN_CSV_CAP)
    return options


def kept_entities(provider: Provider, mapping: MappingFile, raw: RawInputs) -> set[str]:
    """The entities with fields that enrollments or demographics give, which were not
    sent whole: what the roster has of those fields stays."""
    wanted = wanted_entities(provider)
    sent = [
        (endpoint.entity, raw.collections[endpoint.collection].is_delta)
        for endpoint in mapping.endpoints
        if endpoint.collection in raw.collections and endpoint.entity in wanted
    ]
    there = {entity for entity, _ in sent}
    in_part = {entity for entity, is_delta in sent if is_delta}
    return {
        entity
        for entity, giver in GIVEN_BY.items()
        if entity in there and (giver not in there or giver in in_part)
    }


def load_known(
    reader: ArrowReader,
    duck: duckdb.DuckDBPyConnection,
    project: Project,
    provider: Provider,
) -> set[str]:
    """The records that a row of a delta set may refer to: those this provider has.

    Makes `known.<entity>(external_id)`; returns the entities.
    """
    load_baseline(reader, duck, district=project.district().id, provider=provider.id)
    duck.execute("CREATE SCHEMA IF NOT EXISTS known")
    fields = [one for entity in ENTITIES.values() for one in entity.fields]
    entities = {one.refers_to for one in fields if one.refers_to}
    for entity in entities:
        links = (
            f"SELECT external_id FROM base.links WHERE entity = '{entity}' "
            f"AND provider_id = '{provider.id}'"
        )
        own = f"SELECT external_id FROM base.{entity}"
        rows = links if entity in ("orgs", "users") else own
        duck.execute(f"CREATE OR REPLACE TABLE known.{entity} AS {rows}")
    return entities


def nothing_yet(provider: Provider, what: str, command: str) -> IncompleteExtractError:
    """What is said where a step has nothing to work on."""
    return IncompleteExtractError(
        f"There is no complete {what} of {provider.id} yet.",
        not_done="Nothing was staged, planned or changed.",
        next_step=command,
    )
