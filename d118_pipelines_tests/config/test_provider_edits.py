"""`config/providers.yaml` changed by a program: what stays, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from d118_pipelines.config.provider_edits import (
    ADDRESSES,
    SECRETS,
    edit_providers,
    merge_config,
    place_of,
    plain_key,
    sent_values,
)
from d118_pipelines.config.provider_types import (
    ClassLinkConfig,
    CleverConfig,
    CsvConfig,
    OneRosterApiConfig,
    OneRosterCsvConfig,
    Sftp,
)
from d118_pipelines.config.providers import FILE
from d118_pipelines.config.secrets import resolved
from d118_pipelines.errors import ConfigurationError
from d118_pipelines_tests.support.project import REPOSITORY

MODELS = (
    *(CleverConfig, ClassLinkConfig, OneRosterApiConfig, OneRosterCsvConfig),
    *(CsvConfig, Sftp),
)
DISTRICT = "district_118"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the repository's own file, and a key for secrets."""
    monkeypatch.setenv("ENCRYPTION_KEY", Fernet.generate_key().decode())
    (tmp_path / "config").mkdir()
    text = (REPOSITORY / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(text)
    return tmp_path


def entries(root: Path) -> dict[str, dict[str, Any]]:
    """The entries as every reader of YAML sees them."""
    found = yaml.safe_load((root / FILE).read_text())["providers"]
    return {one["id"]: one for one in found}


def test_an_edit_that_changes_nothing_leaves_every_byte(root: Path) -> None:
    before = (root / FILE).read_bytes()

    done = edit_providers(root, lambda entries: None, district=DISTRICT)

    assert (root / FILE).read_bytes() == before
    assert done.before == done.after


def test_an_edit_changes_one_line_and_no_comment(root: Path) -> None:
    before = (root / FILE).read_text().splitlines()

    def change(found: Any) -> None:
        found[place_of(found, "powerschool")]["enabled"] = False

    edit_providers(root, change, district=DISTRICT)
    after = (root / FILE).read_text().splitlines()

    [changed] = [n for n, line in enumerate(before) if after[n] != line]
    assert after[changed].strip() == "enabled: false"
    assert len(before) == len(after)


def test_an_entry_that_would_be_wrong_is_not_written(root: Path) -> None:
    before = (root / FILE).read_bytes()
    entry = {"id": "new", "type": "CLEVER", "name": "x", "config": {}}

    with pytest.raises(ConfigurationError) as refused:
        edit_providers(root, lambda found: found.append(entry), district=DISTRICT)

    assert (root / FILE).read_bytes() == before
    assert "districtId" in str(refused.value) and "/tmp" not in refused.value.what


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "x\n  - id: stolen\n    type: CSV",
        "'}, {id: stolen",
        "yes",
        "null",
        "*alias",
        "!!python/object:os.system",
        "# no comment",
        'say "yes"',
        "  spaces  ",
        "\u2028",
        "0x10",
        "---",
    ],
)
def test_what_is_sent_stays_one_text_whatever_it_says(root: Path, text: str) -> None:
    sent = sent_values({"name": text})
    entry = {"id": "new", "type": "CSV", **sent, "config": {}}

    edit_providers(root, lambda found: found.append(entry), district=DISTRICT)

    assert entries(root)["new"]["name"] == text
    assert "stolen" not in entries(root)


@pytest.mark.parametrize(
    "config",
    [
        {"clientId": "${ENCRYPTION_KEY}"},
        {"clientId": "x${POWERSCHOOL_DB_PASSWORD}"},
        {"clientSecret": "fernet:gAAAA"},
        {"path": "/etc/passwd"},
        {"sftp": {"private_key_path": "/root/.ssh/id_ed25519"}},
        {"sftp": {"privateKeyPath": "../.env"}},
        {"sftp": {"known_hosts": "/dev/null"}},
        {"clientSecret": 5},
        {"fileNames": {"orgs": "a\x00b"}},
        {"clientId": "\ud800"},
        {"files": [["deep"]]},
    ],
)
def test_what_leads_to_a_secret_or_a_file_is_refused(
    root: Path, config: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        sent_values({"config": config})


def test_secrets_are_written_encrypted(root: Path) -> None:
    sent = sent_values({"client_secret": "a-secret", "clientId": "an-id"})

    assert sent["client_secret"].startswith("fernet:")
    assert resolved(sent["client_secret"], needed_for="a test") == "a-secret"
    assert sent["clientId"] == "an-id"


@pytest.mark.parametrize(
    "sent",
    [
        {"baseUrl": "https://evil.example"},
        {"base_url": "https://evil.example"},
        {"tokenEndpoint": "https://evil.example/token"},
        {"mode": "direct"},
        {"sftp": {"host": "evil.example"}},
        {"sftp": {"port": 2222}},
    ],
)
def test_a_new_address_clears_every_secret_of_the_entry(sent: dict[str, Any]) -> None:
    config: dict[str, Any] = {
        "base_url": "https://sis.example",
        "client_secret": "fernet:a",
        "bearer": "${BEARER}",
        "clientId": "stays",
        "sftp": {"host": "sftp.example", "password": "fernet:b"},
    }

    merge_config(config, sent)

    left = {plain_key(name) for name in config} | set(config["sftp"])
    assert left & SECRETS == set()
    assert config["clientId"] == "stays"


def test_the_same_address_again_clears_nothing() -> None:
    config = {"baseUrl": "https://sis.example", "clientSecret": "fernet:a"}

    merge_config(config, {"base_url": "https://sis.example", "clientId": "b"})

    assert config["clientSecret"] == "fernet:a"
    assert "base_url" not in config


def test_every_secret_and_every_address_of_the_models_is_known() -> None:
    fields = {name: f for model in MODELS for name, f in model.model_fields.items()}
    secret = {n for n, f in fields.items() if "_check_secret" in f"{f!r}"}
    optional = {n for n, f in fields.items() if "_check_secret" in f"{f.annotation!r}"}
    address = {n for n in fields if n.lower().endswith(("url", "endpoint", "host"))}

    assert {plain_key(name) for name in secret | optional} == SECRETS
    assert {plain_key(name) for name in address} == ADDRESSES - {"port"}
