"""A target laid over a layout: what merges, what is refused, and where the error is."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines_tests.targets.sets import LAYOUT, TARGET, Pets


def refusal(pets: Pets) -> str:
    with pytest.raises(ConfigurationError) as caught:
        pets.target  # noqa: B018 - reading it is the act
    return str(caught.value)


def test_mappings_merge_and_all_else_is_replaced(tmp_path: Path) -> None:
    pets = Pets(tmp_path, {"options": {"only": ["p001"]}, "format": {"bom": True}})

    model = pets.target.model
    assert model.options["only"] == ["p001"] and model.options["shape"] == "small"
    assert (model.format.bom, model.format.newline) == (True, "crlf")
    assert [file.name for file in model.files] == ["manifest", "owners", "pets"]


def test_the_code_version_changes_with_the_layout(tmp_path: Path) -> None:
    pets = Pets(tmp_path)
    before = pets.target.fingerprint
    layout = tmp_path / "mappings/layouts/pet_files.yaml"
    layout.write_text(LAYOUT.replace("crlf", "lf"), "utf-8")

    assert pets.target.fingerprint != before


def test_a_wrong_key_of_the_layout_is_named_with_the_layouts_line(
    tmp_path: Path,
) -> None:
    pets = Pets(tmp_path)
    layout = tmp_path / "mappings/layouts/pet_files.yaml"
    layout.write_text(LAYOUT.replace("newline: crlf", "newline: cr"), "utf-8")

    line = 1 + LAYOUT.split("\n").index("format: {newline: crlf}")
    assert f"pet_files.yaml:{line}, key format.newline" in refusal(pets)


def test_a_wrong_key_of_the_target_is_named_with_its_own_line(tmp_path: Path) -> None:
    pets = Pets(tmp_path)
    pets.write(TARGET + "format: {newline: cr}\n")

    assert "pets.yaml:4, key format.newline" in refusal(pets)


def test_a_layout_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    pets = Pets(tmp_path)
    pets.write(TARGET.replace("pet_files", "none_such"))

    assert "mappings/layouts/none_such.yaml does not exist" in refusal(pets)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("deliver: deliver_owners", "deliver: nobody", "options has no nobody"),
        ("when: {shape: [large]}}]", "when: {size: [large]}}]", "options has no size"),
        ("delta: {status: status", "delta: {status: state", "no column state"),
        ("changed}\nledger", "changed, option: kind}\nledger", "options has no kind"),
        ("name: kept_pets", "name: set_files", "set_files is taken already"),
        (
            "    control: true\n    sql: pets/manifest.sql\n",
            "    control: true\n",
            "needed",
        ),
    ],
)
def test_what_does_not_hold_together_is_refused(
    tmp_path: Path, old: str, new: str, rule: str
) -> None:
    assert old in LAYOUT
    pets = Pets(tmp_path)
    layout = tmp_path / "mappings/layouts/pet_files.yaml"
    layout.write_text(LAYOUT.replace(old, new), "utf-8")

    assert rule in refusal(pets)


def test_the_roster_relations_that_sql_reads_are_known(tmp_path: Path) -> None:
    pets = Pets(tmp_path)
    (tmp_path / "sql/exports/pets/owners.sql").write_text(
        "SELECT NULL AS owner -- roster.orgs\nFROM roster.users, ROSTER.user_roles "
        "WHERE 'roster.terms' = ''",
        "utf-8",
    )

    assert pets.target.roster_reads == ["user_roles", "users"]
    assert pets.target.reads == [("raw", "powerschool", "pets")]
