"""What the provider's entry and its mapping file say about an API, and which one counts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from d118_pipelines.config.providers import FILE, Provider, load_providers
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.model.mapping import MappingFile, read_mapping
from d118_pipelines.workflows.providers.api_settings import (
    check_api,
    clever_version,
    oneroster_api,
)
from d118_pipelines_tests.support.project import REPOSITORY

SCOPE = "https://purl.imsglobal.org/spec/or/v1p{}/scope/{}.readonly"
CORE, WIDE = SCOPE.format(2, "roster-core"), SCOPE.format(2, "roster")
DEMOGRAPHICS = SCOPE.format(2, "roster-demographics")
OAUTH2 = {"type": "oauth2_client_credentials"}
LOGIN = {"baseUrl": "https://sis.example", "clientId": "c", "clientSecret": "${S}"}
TOKEN = {"districtId": "d", "accessToken": "${T}"}


def provider(root: Path, kind: str, config: Mapping[str, Any]) -> Provider:
    path = root / FILE
    path.parent.mkdir()
    entry = {"id": "p", "type": kind, "name": "P", "config": dict(config)}
    path.write_text(yaml.safe_dump({"providers": [entry]}), "utf-8")
    [found] = load_providers(root)[0]
    return found


def mapping(root: Path, **keys: Any) -> MappingFile:
    path = root / "m.yaml"
    data = {"connector_name": "x", **keys, "endpoints": {}}
    path.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    return read_mapping(path, project_root=root)


def refusal(root: Path, kind: str, config: Mapping[str, Any], **keys: Any) -> str:
    entry, file = provider(root, kind, config), mapping(root, **keys)
    with contextlib.chdir(root), pytest.raises(ConfigurationError) as caught:
        check_api(entry, file)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "keys", "version", "auth"),
    [
        ({}, {}, "1.2", "oauth2"),
        ({}, {"api_version": "v1p1"}, "1.1", "oauth2"),
        ({"version": "v1p2"}, {"api_version": "v1p1"}, "1.2", "oauth2"),
        (
            {},
            {"api_version": "v1p1", "authentication": {"type": "oauth1"}},
            "1.1",
            "oauth1",
        ),
        ({"auth": "oauth1"}, {"api_version": "v1p1"}, "1.1", "oauth1"),
        (
            {"auth": "oauth2"},
            {"api_version": "v1p1", "authentication": {"type": "oauth1"}},
            "1.1",
            "oauth2",
        ),
        ({"version": "v1p1"}, {"authentication": OAUTH2}, "1.1", "oauth2"),
        ({}, {"authentication": {"type": "none"}}, "1.2", "oauth2"),
    ],
)
def test_the_entry_counts_then_the_mapping_then_the_default(
    said: Any, keys: Any, version: str, auth: str, tmp_path: Path
) -> None:
    entry = provider(tmp_path, "ONEROSTER_API", {**LOGIN, **said})

    found = oneroster_api(entry, mapping(tmp_path, **keys))

    assert (found.version, found.auth) == (version, auth)


@pytest.mark.parametrize(
    ("said", "scope", "scopes", "fallback"),
    [
        ({}, None, [CORE], WIDE),
        ({}, "one two", ["one", "two"], WIDE),
        ({"scopes": ["own"]}, "one", ["own"], None),
        ({"demographics": True}, "one", ["one", DEMOGRAPHICS], None),
        ({"demographics": True}, DEMOGRAPHICS, [DEMOGRAPHICS], None),
        (
            {"version": "v1p1"},
            "one",
            [SCOPE.format(1, "roster-core")],
            SCOPE.format(1, "roster"),
        ),
    ],
)
def test_the_scope_of_the_mapping_is_asked_for(
    said: Any, scope: str, scopes: list[str], fallback: str | None, tmp_path: Path
) -> None:
    entry = provider(tmp_path, "ONEROSTER_API", {**LOGIN, **said})
    keys = {"api_version": "v1p2", "authentication": {**OAUTH2, "scope": scope}}

    found = oneroster_api(entry, mapping(tmp_path, **keys))

    assert (found.scopes, found.fallback_scope) == (scopes, fallback)


@pytest.mark.parametrize(
    ("said", "of_mapping", "version"),
    [
        ({}, None, "v3.0"),
        ({}, "v2.0", "v2.0"),
        ({"apiVersion": "v3.1"}, "v2.0", "v3.1"),
    ],
)
def test_the_version_of_clever(
    said: Any, of_mapping: str | None, version: str, tmp_path: Path
) -> None:
    entry = provider(tmp_path, "CLEVER", {**TOKEN, **said})
    keys = {"api_version": of_mapping, "authentication": {"type": "bearer_token"}}

    assert clever_version(entry, mapping(tmp_path, **keys)) == version


@pytest.mark.parametrize(
    ("kind", "config", "keys", "says"),
    [
        (
            "ONEROSTER_API",
            LOGIN,
            {"api_version": "v2.0"},
            "v2.0 is not of this type of provider; known: v1p1, v1p2.\n"
            "  Where: m.yaml:2, key api_version",
        ),
        (
            "ONEROSTER_API",
            LOGIN,
            {"authentication": {"type": "bearer_token"}},
            "bearer_token is not of this type of provider; known: oauth1, "
            "oauth2_client_credentials.\n  Where: m.yaml:3, key authentication.type",
        ),
        (
            "CLEVER",
            TOKEN,
            {"api_version": "v1p2"},
            "v1p2 is not of this type of provider; known: v2.0, v2.1, v3.0, v3.1.",
        ),
        (
            "CLEVER",
            TOKEN,
            {"authentication": OAUTH2},
            "oauth2_client_credentials is not of this type of provider; known: "
            "bearer_token.",
        ),
        (
            "ONEROSTER_API",
            {**LOGIN, "auth": "oauth1"},
            {"api_version": "v1p2"},
            "auth oauth1 belongs to version v1p1.",
        ),
        (
            "ONEROSTER_API",
            {**LOGIN, "version": "v1p2"},
            {"authentication": {"type": "oauth1"}},
            "auth oauth1 belongs to version v1p1.",
        ),
    ],
)
def test_a_mapping_of_another_kind_of_api_is_refused(
    kind: str, config: Any, keys: Any, says: str, tmp_path: Path
) -> None:
    assert says in refusal(tmp_path, kind, config, **keys)


@pytest.mark.parametrize("kind", ["ONEROSTER_CSV", "CSV", "POWERSCHOOL"])
def test_a_type_that_sends_no_requests_does_not_care(kind: str, tmp_path: Path) -> None:
    config = {} if kind == "POWERSCHOOL" else {"path": "in"}
    entry = provider(tmp_path, kind, config)

    check_api(entry, mapping(tmp_path, api_version="v9", authentication=OAUTH2))


def test_the_shipped_mapping_asks_for_what_is_asked_without_it(tmp_path: Path) -> None:
    entry = provider(tmp_path, "ONEROSTER_API", LOGIN)
    path = REPOSITORY / "mappings/oneroster.yaml"
    shipped = read_mapping(path, project_root=REPOSITORY)

    assert oneroster_api(entry, shipped) == oneroster_api(entry, mapping(tmp_path))
