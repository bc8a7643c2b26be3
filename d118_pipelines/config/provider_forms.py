"""What a person is asked to type for a provider of each type, and the `config` of it.

Called by `console/integration_pages.py` and `cli/provider_entries.py`. How the entry is
written is in `provider_edits.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from d118_pipelines.config.provider_edits import SECRETS, plain_key
from d118_pipelines.config.providers import model_of
from d118_pipelines.errors import ConfigurationError


def is_secret(key: str) -> bool:
    """Whether a key of `config`, with dots, is typed unseen and never shown."""
    return plain_key(key.rpartition(".")[2]) in SECRETS


@dataclass(frozen=True, slots=True)
class Field:
    """A value that is asked for. key: its place in `config`, with dots."""

    key: str
    label: str
    hint: str = ""
    is_required: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_secret(self) -> bool:
        """Whether it is typed unseen and never shown."""
        return is_secret(self.key)


_TABLE = "table"
"""The field with the name of a vendor's file in SQL; `file`, `columns`, `key` are about it."""


def _sftp(*, is_required: bool) -> tuple[Field, ...]:
    return (
        Field("sftp.host", "Server", is_required=is_required),
        Field("sftp.port", "Port", "22"),
        Field("sftp.username", "User name", is_required=is_required),
        Field("sftp.password", "Password", is_required=is_required),
        Field("remotePath", "Folder there", is_required=is_required),
    )


TYPES: dict[str, tuple[str, tuple[Field, ...]]] = {
    "CLEVER": (
        "Clever Data API",
        (
            Field("districtId", "District id", is_required=True),
            Field("accessToken", "District token", "Or client id and secret."),
            Field("clientId", "Client id"),
            Field("clientSecret", "Client secret"),
        ),
    ),
    "CLASSLINK": (
        "ClassLink roster server",
        (
            Field("tenantId", "Tenant id", is_required=True),
            Field("baseUrl", "Address", "https://…", is_required=True),
            Field("mode", "Way in", "", choices=("proxy", "direct")),
            Field("bearer", "Bearer key", "For proxy."),
            Field("clientId", "Client id", "For direct."),
            Field("clientSecret", "Client secret", "For direct."),
        ),
    ),
    "ONEROSTER_API": (
        "OneRoster 1.1 or 1.2 server",
        (
            Field("baseUrl", "Address", "https://…/rostering/v1p2", is_required=True),
            Field("version", "Version", "", choices=("v1p2", "v1p1")),
            Field("tokenEndpoint", "Token address", "If it is not below the address."),
            Field("clientId", "Client id", is_required=True),
            Field("clientSecret", "Client secret", is_required=True),
        ),
    ),
    "ONEROSTER_CSV": (
        "OneRoster CSV files by SFTP",
        _sftp(is_required=True),
    ),
    "VENDOR_FILE": (
        "A vendor's CSV file that is no roster, by SFTP or from the inbox",
        (
            Field(_TABLE, "Name in SQL", "routes", is_required=True),
            Field("file", "File or pattern", "routes_*.csv", is_required=True),
            Field(
                "columns",
                "Columns",
                "As in its first line, with types: Employee No: integer, Route, From: date",
                is_required=True,
            ),
            Field("key", "Key", "The columns that no two rows share: Employee No"),
            *_sftp(is_required=False),
        ),
    ),
    "CSV": ("Spreadsheets (CSV files) dropped into the inbox", ()),
}
"""Type -> its title and fields; of the others the login is in the environment."""


def form_of(kind: str) -> tuple[str, tuple[Field, ...]]:
    """Title and fields of a type; of one that has no form, its name and none."""
    return TYPES.get(kind, (kind, ()))


def config_of(fields: tuple[Field, ...], given: Mapping[str, str]) -> dict[str, Any]:
    """The `config` of what was typed; what is empty is left out.

    Raises: ConfigurationError for a port that is none.
    """
    config: dict[str, Any] = {}
    for field in fields:
        text = given.get(field.key, "").strip()
        if not text:
            continue
        value: str | int = text
        if field.key.rpartition(".")[2] == "port":
            if not text.isdecimal() or not 0 < int(text) < 65536:
                raise ConfigurationError("Port is a number from 1 to 65535.")
            value = int(text)
        put_value(config, field.key, value)
    table: dict[str, Any] = {
        key: config.pop(key) for key in ("file", "columns", "key") if key in config
    }
    if _TABLE in config:
        config["files"] = {config.pop(_TABLE): _table_of(table)}
    elif table:
        raise ConfigurationError("Say which file it is about: its name in SQL.")
    return config


def _table_of(given: Mapping[str, str]) -> dict[str, Any]:
    """A vendor's file: its columns are typed as its first line has them, with types."""
    table: dict[str, Any] = {k: v for k, v in given.items() if k == "file"}
    if "columns" in given:
        columns = [part.partition(":") for part in given["columns"].split(",")]
        table["columns"] = {
            _column_name(header): {"header": header.strip()}
            | ({"type": kind.strip().lower()} if kind.strip() else {})
            for header, _, kind in columns
        }
    if "key" in given:
        table["key"] = [_column_name(part) for part in given["key"].split(",")]
    return table


def _column_name(header: str) -> str:
    """The name in SQL of a column of the file."""
    return re.sub(r"[^a-z0-9]+", "_", header.lower()).strip("_")


def put_value(config: dict[str, Any], key: str, value: Any) -> None:
    """Enter a value at its place; dots in the key lead inside."""
    *outer, last = key.split(".")
    for name in outer:
        config = config.setdefault(name, {})
    config[last] = value


def typed_value(kind: str, key: str, text: str) -> Any:
    """A text as the type of its key: a number, yes or no, a list with commas, a text.

    kind: the type of provider; key: its place in `config`, with dots. What fits no key
    stays a text: the entry's own rules say what is wrong with it.
    """
    annotation: Any = model_of(kind)
    for part in ("config", *key.split(".")):
        models = [one for one in _members(annotation) if _is_model(one)]
        found = models[0].model_fields if models else {}
        names = {plain_key(name): name for name in found}
        if plain_key(part) not in names:
            return text
        annotation = found[names[plain_key(part)]].annotation
    if any(one == list[str] for one in _members(annotation)):
        return [one.strip() for one in text.split(",") if one.strip()]
    try:
        return TypeAdapter(annotation).validate_strings(text)
    except ValidationError:
        return text


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    is_union = isinstance(annotation, UnionType)
    return get_args(annotation) if is_union else (annotation,)


def _is_model(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, BaseModel)
