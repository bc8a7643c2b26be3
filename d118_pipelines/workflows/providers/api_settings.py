"""How an API is asked: as the provider's entry says, else its mapping file.

Called by `provider_sources.py` whenever a mapping is read, so that a mapping that does
not fit its provider is named at once. Rule: docs/reference/mapping_files.md, keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from d118_pipelines.config.providers import (
    CleverProvider,
    OneRosterApiProvider,
    Provider,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.model.mapping import MappingFile
from d118_pipelines.sources.oneroster_rest.collections import DEMOGRAPHICS, scopes

if TYPE_CHECKING:
    from d118_pipelines.sources.oneroster_rest.collections import Version

_VERSIONS: dict[str, Version] = {"v1p1": "1.1", "v1p2": "1.2"}
_LOGINS: dict[str, Literal["oauth1", "oauth2"]] = {
    "oauth1": "oauth1",
    "oauth2_client_credentials": "oauth2",
}
_CLEVER_VERSIONS = ("v2.0", "v2.1", "v3.0", "v3.1")


@dataclass(frozen=True, slots=True)
class OneRosterApi:
    """Version and login of a OneRoster service; scopes as `scopes()` gives them."""

    version: Version
    auth: Literal["oauth1", "oauth2"]
    scopes: list[str]
    fallback_scope: str | None


def check_api(provider: Provider, mapping: MappingFile) -> None:
    """Raises: ConfigurationError if the mapping is of another kind of API."""
    match provider.model:
        case OneRosterApiProvider():
            oneroster_api(provider, mapping)
        case CleverProvider():
            clever_version(provider, mapping)


def oneroster_api(provider: Provider, mapping: MappingFile) -> OneRosterApi:
    """How a OneRoster service is asked. Raises: ConfigurationError."""
    config = cast(OneRosterApiProvider, provider.model).config
    of_mapping = None
    if not {"version", "scopes"} <= config.model_fields_set:
        of_mapping = mapping.api_version(_VERSIONS)
    version, auth = config.version, config.auth
    if "version" not in config.model_fields_set:
        version = cast(Literal["v1p2", "v1p1"], of_mapping or version)
    if "auth" not in config.model_fields_set:
        auth = _LOGINS.get(mapping.login(_LOGINS) or "", auth)
    if auth == "oauth1" and version != "v1p1":
        raise ConfigurationError(
            "auth oauth1 belongs to version v1p1.",
            where=f"{provider.where}; {mapping.path.name}",
            rule="docs/reference/mapping_files.md, keys",
            not_done="Nothing was contacted.",
            next_step=f"Set version: v1p1 in the entry of {provider.id}.",
        )
    wanted, fallback = scopes(_VERSIONS[version], with_demographics=config.demographics)
    if config.scopes:
        wanted, fallback = config.scopes, None
    elif of_mapping == version and mapping.scopes:
        own = [s for s in wanted if DEMOGRAPHICS in s and s not in mapping.scopes]
        wanted = [*mapping.scopes, *own]
    return OneRosterApi(_VERSIONS[version], auth, wanted, fallback)


def clever_version(provider: Provider, mapping: MappingFile) -> str:
    """The version of Clever's API. Raises: ConfigurationError."""
    config = cast(CleverProvider, provider.model).config
    mapping.login(["bearer_token"])
    if "apiVersion" in config.model_fields_set:
        return config.apiVersion
    return mapping.api_version(_CLEVER_VERSIONS) or config.apiVersion
