"""config/providers.yaml: what loads, and what every mistake says.

Belongs here: the file alone. Not here: reaching what it names (`ops/`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from d118_pipelines.config.crons import PRESETS
from d118_pipelines.config.providers import (
    FILE,
    TYPES,
    Provider,
    load_providers,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines_tests.support.project import REPOSITORY

CLEVER = """providers:
  - id: clever
    type: CLEVER
    name: Clever
    config:
      districtId: d1
      accessToken: ${CLEVER_TOKEN}
"""
SFTP = """providers:
  - id: files
    type: ONEROSTER_CSV
    name: Files
    config:
      sftp:
        host: sftp.example
        username: d118
        password: ${PASSWORD}
      remotePath: out
"""
API: dict[str, Any] = {
    "baseUrl": "https://sis.example",
    "clientId": "c",
    "clientSecret": "${S}",
}
CONFIGS: dict[str, dict[str, Any]] = {
    "POWERSCHOOL": {},
    "ONEROSTER_API": API,
    "CLASSLINK": {"tenantId": "t", "baseUrl": "https://x.example", "bearer": "${B}"},
    "CLEVER": {"districtId": "d", "accessToken": "fernet:abc-_="},
    "ONEROSTER_CSV": {"path": "incoming"},
    "CSV": {},
    "VENDOR_FILE": {"files": {"routes": {"file": "r.csv", "columns": {"id": "text"}}}},
}


def loaded(root: Path, text: str | Mapping[str, Any], **more: Any) -> list[Provider]:
    """What the file with this text, or these keys, is read as."""
    path = root / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text if isinstance(text, str) else yaml.safe_dump(text), "utf-8")
    with contextlib.chdir(root):
        sound, broken = load_providers(root, **more)
    for one in broken:
        raise one.error
    return sound


def entry(kind: str, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    chosen = CONFIGS[kind] if config is None else config
    return {"id": kind.lower(), "type": kind, "name": kind, "config": dict(chosen)}


@pytest.mark.parametrize("kind", TYPES)
def test_an_entry_with_what_its_type_requires_loads(kind: str, tmp_path: Path) -> None:
    [found] = loaded(tmp_path, {"providers": [entry(kind)]})

    assert (found.id, found.model.type) == (kind.lower(), kind)
    assert found.model.enabled
    assert found.model.priority == 100
    assert found.model.schedule == []
    assert found.where.startswith("config/providers.yaml:")
    mapping = found.model.mapping_file  # of rosters alone
    assert (REPOSITORY / mapping).is_file() is (kind != "VENDOR_FILE")


@pytest.mark.parametrize("kind", [kind for kind in TYPES if CONFIGS[kind]])
def test_snake_case_is_read_as_the_same_keys(kind: str, tmp_path: Path) -> None:
    def snake(name: str) -> str:
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)

    config = {snake(name): value for name, value in CONFIGS[kind].items()}
    [one] = loaded(tmp_path, {"providers": [entry(kind)]})
    [other] = loaded(tmp_path, {"providers": [entry(kind, config)]})

    assert one.model == other.model


@pytest.mark.parametrize(
    ("synonym", "kind"),
    [("oneroster", "ONEROSTER_API"), ("clever", "CLEVER"), ("csv", "CSV")],
)
def test_types_have_the_names_of_older_services_too(
    synonym: str, kind: str, tmp_path: Path
) -> None:
    [found] = loaded(tmp_path, {"providers": [{**entry(kind), "type": synonym}]})

    assert found.model.type == kind
    if kind == "ONEROSTER_API":
        assert found.model.config.version == "v1p2"


@pytest.mark.parametrize(("name", "cron"), PRESETS.items())
def test_a_schedule_may_be_a_preset(name: str, cron: str, tmp_path: Path) -> None:
    [found] = loaded(tmp_path, f"{CLEVER}    schedule: {name}\n")

    assert found.model.schedule == [cron]


def test_a_schedule_may_be_several(tmp_path: Path) -> None:
    [found] = loaded(tmp_path, f'{CLEVER}    schedule: [daily, "30 11 * * 1-5"]\n')

    assert found.model.schedule == ["0 2 * * *", "30 11 * * 1-5"]


@pytest.mark.parametrize("text", ["", "providers: []\n"])
def test_a_project_may_have_no_provider(text: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, text) == []
    (tmp_path / FILE).unlink()
    assert load_providers(tmp_path)[0] == []


def test_the_repository_enables_one_provider_and_shows_every_type() -> None:
    found = load_providers(REPOSITORY, district="district_118")[0]

    assert [one.id for one in found if one.model.enabled] == ["powerschool"]
    assert {one.model.type for one in found} == set(TYPES)


KEY = "key providers[0]"
MISTAKES = {
    "unknown key": (CLEVER + "    colour: red\n", f":8, {KEY}.colour: unknown key"),
    "unknown key of a type": (
        CLEVER + "      colour: red\n",
        f":8, {KEY}.config.colour: unknown key",
    ),
    "unknown key of the file": (CLEVER + "extra: 1\n", ":8, key extra: unknown key"),
    "unknown type": (
        CLEVER.replace("CLEVER\n", "POWERSCHULE\n"),
        f"unsupported provider type POWERSCHULE\n  Where: {FILE}:3, {KEY}.type\n"
        f"  Rule: The types are: {', '.join(TYPES)}.",
    ),
    "no type": (
        CLEVER.replace("    type: CLEVER\n", ""),
        "missing key type\n  Where: ",
    ),
    "no name": (
        CLEVER.replace("    name: Clever\n", ""),
        f":2, {KEY}.name: missing key",
    ),
    "a secret in clear": (
        CLEVER.replace("${CLEVER_TOKEN}", "hunter2-4711"),
        f":7, {KEY}.config.accessToken: a secret must not be here in clear text",
    ),
    "a secret in clear, deeper": (
        SFTP.replace("${PASSWORD}", "hunter2-4711"),
        f":9, {KEY}.config.sftp.password: a secret must not be here in clear text",
    ),
    "two spellings": (
        CLEVER + "      access_token: ${OTHER}\n",
        f":5, {KEY}.config: accessToken is here in two spellings",
    ),
    "two logins": (
        SFTP.replace("        host", "        private_key_path: key\n        host"),
        f":6, {KEY}.config.sftp: give one of password, privateKey, privateKeyPath",
    ),
    "no login": (
        CLEVER.replace("      accessToken: ${CLEVER_TOKEN}\n", ""),
        f":5, {KEY}.config: accessToken is missing, or clientId with clientSecret",
    ),
    "no place": (
        SFTP.replace("      remotePath: out\n", ""),
        f":5, {KEY}.config: sftp needs remotePath",
    ),
    "an id that is no name": (
        CLEVER.replace("id: clever", "id: Clever-1"),
        f":2, {KEY}.id: an id is lower-case letters, digits and _",
    ),
    "an id twice": (
        CLEVER + CLEVER.partition("\n")[2],
        f"The id clever is used twice.\n  Where: {FILE}:8, key providers[1].id; "
        f"{FILE}:2, {KEY}.id",
    ),
    "a schedule that is none": (
        CLEVER + "    schedule: dayly\n",
        f":8, {KEY}.schedule: dayly is neither a cron expression nor one of: "
        + ", ".join(PRESETS),
    ),
    "a day that never comes": (
        CLEVER + "    schedule: 0 0 30 2 *\n",
        f":8, {KEY}.schedule: 0 0 30 2 * is neither",
    ),
    "a time zone that is none": (
        CLEVER + "    timezone: Mars/Base\n",
        f":8, {KEY}.timezone: Mars/Base is not a time zone",
    ),
    "another district": (
        CLEVER + "    district: district_9\n",
        f"The provider clever belongs to another district.\n  Where: {FILE}:8, {KEY}.district\n"
        "  Rule: config/district.yaml says id: district_118.",
    ),
    "an unknown key of the guard": (
        CLEVER + "    guard: {deactivatd: 1}\n",
        f":8, {KEY}.guard: guard key deactivatd: unknown key",
    ),
    "a share of the guard above 1": (
        CLEVER + "    guard: {deactivated: {per_entity: 2}}\n",
        f":8, {KEY}.guard: guard key deactivated.per_entity: ",
    ),
    "an unknown switch": (
        CLEVER + "    sync: {sync_all: true}\n",
        f":8, {KEY}.sync.sync_all: unknown key",
    ),
    "a limit of nothing": (
        CLEVER + "    limits: {max_records: 0}\n",
        f":8, {KEY}.limits.max_records: input should be greater than",
    ),
    **{
        f"requests of {kind}": (
            f"providers:\n  - id: p\n    type: {kind}\n    name: P\n"
            "    config: {path: in}\n".replace(
                "{path: in}", "{}" if kind == "POWERSCHOOL" else "{path: in}"
            )
            + "    limits:\n      max_records: 5\n      requests_per_minute: 9\n",
            ":8, key providers[0].limits.requests_per_minute: "
            "this type of provider sends no requests",
        )
        for kind in ("POWERSCHOOL", "ONEROSTER_CSV", "CSV")
    },
    "a key twice": (CLEVER + "    name: B\n", "providers.yaml:8: the key name occurs"),
    "no list": ("providers: 5\n", "must have a list under the key providers"),
    "no YAML": (
        "providers:\n  - id: [1\n",
        "is not valid YAML: did not find expected ',' or ']'.",
    ),
}


@pytest.mark.parametrize(("text", "says"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_named_with_file_line_key_and_rule(
    text: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, text, district="district_118")

    assert says in str(caught.value)
    assert FILE in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_every_mistake_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, CLEVER + "    colour: red\n    priority: first\n")

    assert "has 2 wrong entries" in str(caught.value)


def test_a_fingerprint_changes_with_its_own_entry_only(tmp_path: Path) -> None:
    two = {"providers": [entry("CLEVER"), entry("CSV")]}
    before = [one.fingerprint for one in loaded(tmp_path, two)]

    commented = "# a remark\n" + yaml.safe_dump(two)
    assert [one.fingerprint for one in loaded(tmp_path, commented)] == before
    two["providers"][1]["priority"] = 5
    after = [one.fingerprint for one in loaded(tmp_path, two)]

    assert after[0] == before[0]
    assert after[1] != before[1]
