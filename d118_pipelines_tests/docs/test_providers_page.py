"""The pages of providers and of their guard have every key of the models."""

from __future__ import annotations

import re

import pytest

from d118_pipelines.config import providers as model
from d118_pipelines.config.guard_limits import RosterGuard
from d118_pipelines.config.provider_types import Sftp
from d118_pipelines_tests.docs.markdown import page, tables_headed, ticked

PAGE = page("reference/providers.md")
[KEYS] = tables_headed(PAGE, "key", "default", "meaning")
[TYPES] = tables_headed(PAGE, "type", "required", "optional")
BY_TYPE = {ticked(row["type"])[0]: " ".join(row.values()) for row in TYPES}
CLASSES = {
    name: one
    for one in model.ProviderModel.__subclasses__()
    for name in one.model_fields["type"].annotation.__args__  # type: ignore[union-attr]
}


def words(text: str) -> set[str]:
    """Every name in backticks, and those in braces behind it."""
    return {word for name in ticked(text) for word in re.findall(r"\w+", name)}


def test_the_table_has_exactly_the_keys_of_an_entry() -> None:
    named = [ticked(row["key"])[0] for row in KEYS]

    assert sorted(named) == sorted({*model.ProviderModel.model_fields, "type"})


@pytest.mark.parametrize(
    ("key", "part"),
    [("sync", model.Sync), ("matching", model.Matching), ("limits", model.Limits)],
)
def test_the_keys_below_a_key_are_named(key: str, part: type) -> None:
    [row] = [row for row in KEYS if row["key"] == f"`{key}`"]

    assert set(part.model_fields) <= words(row["meaning"])  # type: ignore[attr-defined]


def test_every_type_has_a_row() -> None:
    assert list(BY_TYPE) != [] and set(BY_TYPE) == set(model.TYPES) == set(CLASSES)


@pytest.mark.parametrize("name", model.TYPES)
def test_every_key_of_config_is_in_the_row_of_its_type(name: str) -> None:
    config = CLASSES[name].model_fields["config"].annotation

    assert set(config.model_fields) <= words(BY_TYPE[name])  # type: ignore[union-attr]


def test_every_key_of_a_login_by_sftp_is_named() -> None:
    [sentence] = re.findall(r"^`sftp`: .*?\n\n", PAGE, re.M | re.S)

    assert set(Sftp.model_fields) <= words(sentence)


def test_the_keys_of_the_guard_are_on_its_page() -> None:
    text = page("reference/matching_and_guard.md")
    [rows] = tables_headed(text, "key", "default", "meaning")

    named = [name for row in rows for name in ticked(row["key"])]
    assert sorted(named) == sorted(RosterGuard.model_fields)
