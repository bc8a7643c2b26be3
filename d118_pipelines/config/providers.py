"""`config/providers.yaml`: the systems that rosters come from.

Called by `definitions.py`, `cli/` and `workflows/`; the key `config` of each type is in
`provider_types.py`. Every error names file, line and key.
Rule: docs/reference/providers.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Discriminator, Field, ValidationError, field_validator

from d118_pipelines.config.guard_limits import RosterGuard, merged_guard
from d118_pipelines.config.provider_types import (
    ClassLinkConfig,
    CleverConfig,
    CsvConfig,
    OneRosterApiConfig,
    OneRosterCsvConfig,
    PowerSchoolConfig,
)
from d118_pipelines.config.yaml_files import (
    Document,
    Model,
    check_time_zone,
    configuration_error,
    read_yaml,
    shown_path,
)
from d118_pipelines.errors import ConfigurationError

FILE = "config/providers.yaml"
PRESETS = {
    "hourly": "0 * * * *",
    "every-6-hours": "0 */6 * * *",
    "twice-daily": "0 2,14 * * *",
    "daily": "0 2 * * *",
    "weekdays": "0 6 * * 1-5",
    "weekly": "0 0 * * 0",
}
# Names of two older services, and what they mean here.
TYPE_SYNONYMS = {"oneroster": "ONEROSTER_API", "clever": "CLEVER", "csv": "CSV"}
# The entities of each switch of `sync`.
SWITCHES: dict[str, tuple[str, ...]] = {
    "sync_schools": ("orgs",),
    "sync_classes": ("terms", "courses", "classes"),
    "sync_users": ("users", "demographics"),
    "sync_enrollments": ("enrollments",),
}


class Sync(Model):
    """Which entities are read; what is off stays untouched."""

    sync_schools: bool = True
    sync_classes: bool = True
    sync_users: bool = True
    sync_enrollments: bool = True


class Matching(Model):
    """The steps that match a person who is new to this provider."""

    create: bool = True
    email: bool = True
    student_number: bool = True


class Limits(Model):
    """Limits of one pull."""

    max_records: int = Field(default=1_000_000, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)


class FileLimits(Limits):
    """Ceilings of one pull that sends no requests."""

    @field_validator("requests_per_minute")
    @classmethod
    def _no_requests(cls, value: int | None) -> None:
        if value is not None:
            raise ValueError("this type of provider sends no requests")


class ProviderModel(Model):
    """One entry of `config/providers.yaml`, whatever its type."""

    id: str
    name: str
    district: str | None = None
    enabled: bool = True
    priority: int = 100
    schedule: str | None = None
    timezone: str | None = None
    mapping: str = ""
    sync: Sync = Sync()
    matching: Matching = Matching()
    deactivate_missing: bool = True
    merge_same_person: bool = False
    guard: dict[str, Any] = {}
    limits: Limits = Limits()

    default_mapping: ClassVar[str] = ""

    @field_validator("id")
    @classmethod
    def _plain_id(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", value):
            raise ValueError("an id is lower-case letters, digits and _")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return check_time_zone(value) if value else None

    @field_validator("schedule")
    @classmethod
    def _known_schedule(cls, value: str | None) -> str | None:
        return cron_of(value) if value is not None else None

    @field_validator("guard")
    @classmethod
    def _known_guard(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            merged_guard(RosterGuard(), value)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_context=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            unknown = first["type"] == "extra_forbidden"
            rule = "unknown key" if unknown else first["msg"]
            raise ValueError(f"guard key {key}: {rule}") from None
        return value

    @property
    def mapping_file(self) -> str:
        """The mapping file, below the project's root."""
        return self.mapping or self.default_mapping

    @property
    def entities(self) -> list[str]:
        """The entities that this provider syncs."""
        return [
            entity
            for switch, entities in SWITCHES.items()
            if getattr(self.sync, switch)
            for entity in entities
        ]


class PowerSchoolProvider(ProviderModel):
    """PowerSchool: the SIS itself, read by the queries of `sql/powerschool/`."""

    type: Literal["POWERSCHOOL"]
    config: PowerSchoolConfig = PowerSchoolConfig()
    limits: FileLimits = FileLimits()
    default_mapping: ClassVar[str] = "mappings/powerschool.yaml"


class CleverProvider(ProviderModel):
    """Clever's Data API."""

    type: Literal["CLEVER"]
    config: CleverConfig
    default_mapping: ClassVar[str] = "mappings/clever.json"


class ClassLinkProvider(ProviderModel):
    """ClassLink's roster server."""

    type: Literal["CLASSLINK"]
    config: ClassLinkConfig
    default_mapping: ClassVar[str] = "mappings/oneroster.yaml"


class OneRosterApiProvider(ProviderModel):
    """A OneRoster REST server."""

    type: Literal["ONEROSTER_API"]
    config: OneRosterApiConfig
    default_mapping: ClassVar[str] = "mappings/oneroster.yaml"


class OneRosterCsvProvider(ProviderModel):
    """OneRoster CSV sets."""

    type: Literal["ONEROSTER_CSV"]
    config: OneRosterCsvConfig
    limits: FileLimits = FileLimits()
    default_mapping: ClassVar[str] = "mappings/oneroster.yaml"


class CsvProvider(ProviderModel):
    """Spreadsheets."""

    type: Literal["CSV"]
    config: CsvConfig = CsvConfig()
    limits: FileLimits = FileLimits()
    default_mapping: ClassVar[str] = "mappings/csv.yaml"


AnyProvider = (
    PowerSchoolProvider
    | OneRosterApiProvider
    | ClassLinkProvider
    | CleverProvider
    | OneRosterCsvProvider
    | CsvProvider
)
TYPES = [
    str(get_args(model.model_fields["type"].annotation)[0])
    for model in get_args(AnyProvider)
]


class _File(Model):
    providers: list[Annotated[AnyProvider, Discriminator("type")]] = []


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as read: the model, where it is, and the hash of its entry."""

    model: AnyProvider
    where: str
    fingerprint: str

    @property
    def id(self) -> str:
        """The id; second segment of its asset keys."""
        return self.model.id


def cron_of(text: str) -> str:
    """The cron expression of a preset's name, or the expression itself.

    Raises: ValueError listing the presets.
    """
    import datetime as dt

    from cronsim import CronSim, CronSimError

    cron = PRESETS.get(text, text)
    try:
        CronSim(cron, dt.datetime(2026, 1, 1))
    except CronSimError:
        known = ", ".join(PRESETS)
        raise ValueError(
            f"{text} is neither a cron expression nor one of: {known}"
        ) from None
    return cron


def read_providers(
    root: Path, *, taken: Mapping[str, str] | None = None, district: str | None = None
) -> list[Provider]:
    """All providers in the order of the file; none if the file does not exist.

    taken: ids of targets and where they are; the two share one set of names.
    district: the district's id, which an entry may repeat but not change.
    Raises: ConfigurationError with file, line and key of everything that is wrong.
    """
    path = root / FILE
    if not path.is_file():
        return []
    document = read_yaml(path)
    data = _with_types(document)
    try:
        found = _File.model_validate(data)
    except ValidationError as exc:
        raise configuration_error(document, exc) from None
    _check_entries(document, found, dict(taken or {}), district)
    return [
        Provider(
            model=model,
            where=document.where(("providers", index, "id")),
            fingerprint=_fingerprint(data["providers"][index]),
        )
        for index, model in enumerate(found.providers)
    ]


def disabled_error(provider: Provider) -> ConfigurationError:
    """The error of starting a provider that is disabled."""
    return ConfigurationError(
        "Provider disabled",
        where=provider.where,
        rule=f"{provider.id} has enabled: false.",
        not_done="Nothing was contacted.",
        next_step=f"Set enabled: true there, then run: d118 run {provider.id}",
    )


def _with_types(document: Document) -> Any:
    """The document with the synonyms of types replaced. Raises: ConfigurationError."""
    data = document.data or {}
    if not isinstance(data, dict) or not isinstance(data.get("providers", []), list):
        raise ConfigurationError(
            f"{shown_path(document.path)} must have a list under the key providers.",
            where=document.where(()),
        )
    entries = []
    for index, entry in enumerate(data.get("providers") or []):
        kind = entry.get("type") if isinstance(entry, dict) else None
        kind = TYPE_SYNONYMS.get(str(kind), kind)
        if isinstance(entry, dict) and kind not in TYPES:
            raise ConfigurationError(
                f"unsupported provider type {kind}" if kind else "missing key type",
                where=document.where(("providers", index, "type")),
                rule=f"The types are: {', '.join(TYPES)}.",
                not_done="Nothing was started.",
            )
        entries.append({**entry, "type": kind} if isinstance(entry, dict) else entry)
    return {**data, "providers": entries}


def _check_entries(
    document: Document, found: _File, seen: dict[str, str], district: str | None
) -> None:
    """Every id is used once, and every entry is of this district."""

    def wrong(what: str, where: str, rule: str) -> ConfigurationError:
        return ConfigurationError(
            what, where=where, rule=rule, not_done="Nothing was started."
        )

    for index, model in enumerate(found.providers):
        where = document.where(("providers", index, "id"))
        if model.id in seen:
            raise wrong(
                f"The id {model.id} is used twice.",
                f"{where}; {seen[model.id]}",
                "Providers and targets share one set of names.",
            )
        seen[model.id] = where
        if district and model.district not in (None, district):
            raise wrong(
                f"The provider {model.id} belongs to another district.",
                document.where(("providers", index, "district")),
                f"config/district.yaml says id: {district}.",
            )


def _fingerprint(entry: Mapping[str, Any]) -> str:
    text = json.dumps(entry, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
