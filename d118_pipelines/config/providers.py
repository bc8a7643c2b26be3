"""`config/providers.yaml`: the systems that rosters and other files come from.

Called by `definitions.py`, `cli/` and `workflows/`; the key `config` of each type is in
`provider_types.py`. Every error names file, line and key.
Rule: docs/reference/providers.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    Discriminator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from d118_pipelines.config.crons import Crons
from d118_pipelines.config.guard_limits import RosterGuard, merged_guard
from d118_pipelines.config.hearing import Hearing
from d118_pipelines.config.provider_types import (
    ClassLinkConfig,
    CleverConfig,
    CsvConfig,
    OneRosterApiConfig,
    OneRosterCsvConfig,
    PowerSchoolConfig,
    VendorFileConfig,
)
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.config.run_limits import RunLimits
from d118_pipelines.config.yaml_files import (
    Document,
    KeyPath,
    Model,
    check_model,
    check_time_zone,
    configuration_error,
    read_yaml,
    shown_path,
)
from d118_pipelines.errors import ConfigurationError

FILE = "config/providers.yaml"
ID = "[a-z][a-z0-9_]*"
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


class Limits(RunLimits):
    """Limits of one run and its pull."""

    max_records: int = Field(default=1_000_000, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)


class FileLimits(Limits):
    """Ceilings of one pull that sends no requests."""

    @field_validator("requests_per_minute")
    @classmethod
    def _no_requests(cls, value: int | None) -> None:
        if value is not None:
            raise ValueError("this type of provider sends no requests")


class ProviderModel(Hearing):
    """One entry of `config/providers.yaml`, whatever its type."""

    id: str
    name: str
    district: str | None = None
    enabled: bool = True
    priority: int = 100
    schedule: Crons = []
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
        if not re.fullmatch(ID, value):
            raise ValueError("an id is lower-case letters, digits and _")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return check_time_zone(value) if value else None

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


# What an entry says of a roster.
_OF_ROSTERS = {
    *("mapping", "sync", "matching", "deactivate_missing", "merge_same_person"),
    *("guard", "priority"),
}


class VendorFileProvider(ProviderModel):
    """Files of a vendor that are no roster: extracts that targets join."""

    type: Literal["VENDOR_FILE"]
    config: VendorFileConfig
    limits: FileLimits = FileLimits()

    @model_validator(mode="after")
    def _is_no_roster(self) -> Self:
        if said := sorted(_OF_ROSTERS & self.model_fields_set):
            raise ValueError(f"{said[0]} belongs to rosters, and this is none")
        return self


AnyProvider = (
    PowerSchoolProvider
    | OneRosterApiProvider
    | ClassLinkProvider
    | CleverProvider
    | OneRosterCsvProvider
    | CsvProvider
    | VendorFileProvider
)
_MODELS: dict[str, type[ProviderModel]] = {
    str(get_args(model.model_fields["type"].annotation)[0]): model
    for model in get_args(AnyProvider)
}
TYPES = list(_MODELS)


def model_of(kind: str) -> type[ProviderModel]:
    """What an entry of a type may have; of an unknown type, what every entry has."""
    return _MODELS.get(kind, ProviderModel)


class _File(Model):
    providers: list[Any] | None = None


class _Entry(Model):
    provider: Annotated[AnyProvider, Discriminator("type")]


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


def load_providers(
    root: Path, *, district: str | None = None
) -> tuple[list[Provider], list[Misconfigured]]:
    """The sound providers in the order of the file, and those that are not.

    district: the district's id, which an entry may repeat but not change. A file that
    is wrong as a whole makes every provider misconfigured.
    """
    path = root / FILE
    if not path.exists():
        return [], []
    try:
        document = read_yaml(path)
        entries = _entries(document)
    except ConfigurationError as exc:
        return [], [Misconfigured("provider", name, exc) for name in _ids_in(path)]
    sound: list[Provider] = []
    broken: list[Misconfigured] = []
    for index, entry in enumerate(entries):
        try:
            sound.append(_provider(document, index, entry, sound, district))
        except ConfigurationError as exc:
            given = entry if isinstance(entry, dict) else {}
            name = given.get("id")
            is_name = isinstance(name, str) and re.fullmatch(ID, name)
            shown = str(name) if is_name else f"entry_{index + 1}"
            broken.append(Misconfigured("provider", shown, exc, given))
    return sound, broken


def name_taken(provider: Provider, other: str) -> ConfigurationError:
    """The error of a provider whose id is also the name of something at `other`."""
    return ConfigurationError(
        f"The id {provider.id} is used twice.",
        where=f"{provider.where}; {other}",
        rule="Providers and targets share one set of names.",
        not_done="Nothing of this provider was started.",
    )


def disabled_error(provider: Provider) -> ConfigurationError:
    """The error of starting a provider that is disabled."""
    return ConfigurationError(
        "Provider disabled",
        where=provider.where,
        rule=f"{provider.id} has enabled: false.",
        not_done="Nothing was contacted.",
        next_step=f"Set enabled: true there, then run: d118 run {provider.id}",
    )


def _entries(document: Document) -> list[Any]:
    """The list under `providers`. Raises: ConfigurationError if there is none."""
    given = document.data.get("providers") if isinstance(document.data, dict) else []
    if not isinstance(given or [], list):
        raise ConfigurationError(
            f"{shown_path(document.path)} must have a list under the key providers.",
            where=document.where(()),
        )
    return check_model(_File, document).providers or []


def _ids_in(path: Path) -> list[str]:
    """The ids that a file seems to have that cannot be read as YAML."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = re.findall(rf"^ *(?:- *)?id: *({ID})\b", text, re.M)
    return list(dict.fromkeys(found)) or ["providers"]


def _provider(
    document: Document,
    index: int,
    entry: Any,
    sound: Sequence[Provider],
    district: str | None,
) -> Provider:
    """One entry of the file, checked. Raises: ConfigurationError."""
    key: KeyPath = ("providers", index)
    if isinstance(entry, dict):
        kind = entry.get("type")
        kind = TYPE_SYNONYMS.get(str(kind), kind)
        if kind not in TYPES:
            raise ConfigurationError(
                f"unsupported provider type {kind}" if kind else "missing key type",
                where=document.where((*key, "type")),
                rule=f"The types are: {', '.join(TYPES)}.",
                not_done="Nothing was started.",
            )
        entry = {**entry, "type": kind}
    try:
        model = _Entry.model_validate({"provider": entry}).provider
    except ValidationError as exc:
        raise configuration_error(document, exc, under=key) from None
    if district and model.district not in (None, district):
        raise ConfigurationError(
            f"The provider {model.id} belongs to another district.",
            where=document.where((*key, "district")),
            rule=f"config/district.yaml says id: {district}.",
            not_done="Nothing was started.",
        )
    found = Provider(model, document.where((*key, "id")), _fingerprint(entry))
    for other in sound:
        if other.id == found.id:
            raise name_taken(found, other.where)
    return found


def _fingerprint(entry: Mapping[str, Any]) -> str:
    text = json.dumps(entry, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
