"""docs/reference/target_yaml.md names every key of a target's YAML, and no other."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from d118_pipelines.config.yaml_files import Model
from d118_pipelines.targets import destination_model as places
from d118_pipelines.targets import model as keys
from d118_pipelines.targets.definition_checks import RESERVED_NAMES
from d118_pipelines.targets.ledger import LEDGER_COLUMNS
from d118_pipelines_tests.docs.markdown import Row, page, tables_headed, ticked

PAGE = page("reference/target_yaml.md")
# The tables of keys in the order of the page.
MODELS = (
    keys.TargetModel,
    keys.Table,
    keys.Population,
    keys.Rule,
    keys.Code,
    keys.Format,
    keys.TargetFile,
    keys.Column,
    keys.Assertion,
    keys.Package,
    keys.Delta,
    keys.Ledger,
    keys.Guard,
    keys.FileLimits,
    keys.Transition,
    places.SftpDestination,
    places.AutocommDestination,
    places.ScimDestination,
    keys.Schedule,
    keys.Disclosure,
)
KEY_TABLES = tables_headed(PAGE, "key", "default", "meaning")


def key_of(row: Row) -> str:
    [key] = ticked(row["key"])
    return key


def shown_default(field: FieldInfo) -> str:
    """A default as the page shows it."""
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return "none"
    if isinstance(value, Model):
        return "all defaults"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def defaults_of(model: type[Model]) -> dict[str, str]:
    fields = model.model_fields.items()
    return {name: shown_default(field) for name, field in fields}


def test_every_model_of_a_target_has_a_table() -> None:
    defined = {
        model
        for module in (keys, places)
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, Model) and model.__module__ == module.__name__
    }

    assert defined == set(MODELS)
    assert len(KEY_TABLES) == len(MODELS)


@pytest.mark.parametrize(
    ("model", "rows"),
    list(zip(MODELS, KEY_TABLES, strict=False)),
    ids=[model.__name__ for model in MODELS[: len(KEY_TABLES)]],
)
def test_table_has_exactly_the_keys_of_the_model_with_their_defaults(
    model: type[Model], rows: list[Row]
) -> None:
    documented = {key_of(row): row["default"] for row in rows}

    wanted = defaults_of(model)
    if model is places.AutocommDestination:  # the page has what differs
        wanted = dict(wanted.items() - defaults_of(places.SftpDestination).items())
    assert documented == wanted
    assert len(documented) == len(rows), "a key stands twice"


def test_every_relation_that_sql_can_read_is_on_the_page() -> None:
    [rows] = tables_headed(PAGE, "relation", "columns", "where")

    relations = {name.split("(")[0] for row in rows for name in ticked(row["relation"])}

    public = set(RESERVED_NAMES) - {"known"}
    inputs = {"raw.<system>.<entity>", "staged.<provider>.<entity>", "roster.<entity>"}
    wanted = {*public, *inputs, "ledger_command", "$name", "name"}
    assert relations == wanted


def test_columns_of_the_ledger_are_on_the_page() -> None:
    [rows] = tables_headed(PAGE, "relation", "columns", "where")

    [columns] = [ticked(r["columns"]) for r in rows if r["relation"] == "`ledger`"]

    assert columns == [*LEDGER_COLUMNS, "is_current"]
