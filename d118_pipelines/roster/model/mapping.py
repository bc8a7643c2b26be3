"""Mapping files: which roster field comes from which field of a provider.

Called by `workflows/` and `roster/staging/`. The grammar of a source is in
`source_paths.py`, its SQL in `staging/compile.py`. Rule:
docs/reference/mapping_files.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from d118_pipelines.config.yaml_files import (
    Document,
    KeyPath,
    Model,
    check_model,
    read_yaml,
    shown_path,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.shipped import file_of
from d118_pipelines.roster.model.entities import ENROLLMENT_ROLES, ENTITIES, USER_ROLES
from d118_pipelines.roster.model.source_paths import Source, parse_source

_ENTITY_OF_ENDPOINT = {
    "academicSessions": "terms",
    "sections": "classes",
    **dict.fromkeys(["schools", "districts"], "orgs"),
    **dict.fromkeys(["students", "teachers", "staff", "contacts"], "users"),
    **dict.fromkeys(["school_admins", "district_admins"], "users"),
}
_COMMON_TARGETS = {"external_id", "status", "source_modified_at"}
ROLE_LISTS = ["role_types", "school_external_ids", "role_begin_dates", "role_end_dates"]
PERSONAL = ["birth_date", "gender"]  # sent with demographics, kept with the user


class Authentication(Model):
    """How callers authenticate at the source; the credentials are in the provider's entry."""

    type: Literal["oauth2_client_credentials", "oauth1", "bearer_token", "none"]
    scope: str | None = None


class EndpointModel(Model):
    """One endpoint as it is written in the file."""

    entity: str | None = None
    path: str | None = None
    collection: str | None = None
    query: str | None = None
    field_mappings: dict[str, Any]


class MappingModel(Model):
    """The whole file. The `file_*` keys are read by the source of plain CSV files."""

    connector_name: str
    api_version: str | float | int | None = None
    authentication: Authentication = Authentication(type="none")
    role_map: dict[str, str] = {}
    file_processing: dict[str, Any] = {}
    format_detection: dict[str, Any] = {}
    file_patterns: dict[str, Any] = {}
    endpoints: dict[str, EndpointModel]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, checked: `fields` maps each target to its source."""

    name: str
    entity: str
    path: str | None
    collection: str
    query: Path | None
    fields: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A checked mapping file. `fingerprint` covers the file and its queries."""

    path: Path
    model: MappingModel
    endpoints: tuple[Endpoint, ...]
    fingerprint: str

    @property
    def scopes(self) -> list[str]:
        """What `authentication` asks for, for the file's own `api_version` only."""
        return (self.model.authentication.scope or "").split()

    def api_version(self, known: Collection[str]) -> str | None:
        """The version of the API, None if the file does not say.

        Raises: ConfigurationError with file and line unless it is one of the known.
        """
        value = self.model.api_version
        return self._known(("api_version",), value, known)

    def login(self, known: Collection[str]) -> str | None:
        """The type of `authentication`, None if the file does not say. Raises: same."""
        kind = self.model.authentication.type
        value = None if kind == "none" else kind
        return self._known(("authentication", "type"), value, known)

    def _known(self, key: KeyPath, value: Any, known: Collection[str]) -> str | None:
        if value is None or str(value) in known:
            return None if value is None else str(value)
        rule = f"{value} is not of this type of provider; known: {', '.join(known)}"
        raise _wrong(read_yaml(self.path), key, rule)

    def of_entity(self, entity: str) -> list[Endpoint]:
        """The endpoints whose rows are records of the entity."""
        return [e for e in self.endpoints if e.entity == entity]


def allowed_targets(entity: str) -> set[str]:
    """The targets that an endpoint of the entity may have."""
    names = _COMMON_TARGETS | {f.name for f in ENTITIES[entity].fields}
    if entity == "users":
        names |= set(ROLE_LISTS)
    if entity == "demographics":
        names |= set(PERSONAL)
    return names


def read_mapping(path: Path, *, project_root: Path) -> MappingFile:
    """Read and check one mapping file, YAML or JSON.

    Queries are looked up below `project_root`, then among the shipped ones.
    Raises: ConfigurationError with file, line and key.
    """
    document = read_yaml(path)
    model = check_model(MappingModel, document)
    _check_roles(model, document)
    endpoints = tuple(
        _endpoint(name, entry, document, project_root)
        for name, entry in model.endpoints.items()
    )
    queries = sorted({e.query for e in endpoints if e.query is not None})
    digest = hashlib.sha256(path.read_bytes())
    for query in queries:
        digest.update(query.read_bytes())
    return MappingFile(path, model, endpoints, digest.hexdigest())


def _check_roles(model: MappingModel, document: Document) -> None:
    for word, role in model.role_map.items():
        if role not in {*USER_ROLES, *ENROLLMENT_ROLES}:
            raise _wrong(document, ("role_map", word), f"{role} is not a roster role")


def _endpoint(
    name: str, entry: EndpointModel, document: Document, project_root: Path
) -> Endpoint:
    key: KeyPath = ("endpoints", name)
    entity = entry.entity or _ENTITY_OF_ENDPOINT.get(name, name)
    if entity not in ENTITIES:
        raise _wrong(
            document, key, f"{entity} is not an entity; known: {', '.join(ENTITIES)}"
        )
    query = file_of(project_root, entry.query) if entry.query else None
    if query is not None and not query.is_file():
        raise _wrong(document, (*key, "query"), f"{entry.query} does not exist")
    fields = {
        target: _source(target, given, entity, document, (*key, "field_mappings"))
        for target, given in entry.field_mappings.items()
    }
    if "external_id" not in fields and entity != "enrollments":
        raise _wrong(document, (*key, "field_mappings"), "external_id is missing")
    return Endpoint(name, entity, entry.path, entry.collection or name, query, fields)


def _source(
    target: str, given: Any, entity: str, document: Document, parent: KeyPath
) -> Source:
    key = (*parent, target)
    if target not in allowed_targets(entity):
        rule = f"{target} is not a field of {entity}. A line reads `target: source`, "
        raise _wrong(document, key, f"{rule}the roster's field first")
    try:
        return parse_source(given)
    except ValueError as exc:
        raise _wrong(document, key, str(exc)) from None


def _wrong(document: Document, key: KeyPath, rule: str) -> ConfigurationError:
    return ConfigurationError(
        f"{shown_path(document.path)} has a wrong entry: {rule}.",
        where=document.where(key),
        rule="docs/reference/mapping_files.md",
        not_done="Nothing was staged.",
        next_step="Correct the line named above, then run: d118 doctor",
    )
