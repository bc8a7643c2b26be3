"""Mapping files: what is read, and what is refused with file, line and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.model.mapping import allowed_targets, read_mapping
from d118_pipelines_tests.roster.staging.roster import ONEROSTER, Bench, rows, valid
from d118_pipelines_tests.support.project import REPOSITORY

HEAD = "connector_name: x\nendpoints:\n  users:\n    field_mappings:\n"


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_mapping(path, project_root=REPOSITORY)
    return str(caught.value)


def test_shipped_mapping_uses_every_key(tmp_path: Path) -> None:
    mapping = read_mapping(ONEROSTER, project_root=REPOSITORY)

    assert [e.entity for e in mapping.endpoints] == [
        "orgs",
        "terms",
        "courses",
        "classes",
        "users",
        "enrollments",
        "demographics",
    ]
    for endpoint in mapping.endpoints:
        assert set(endpoint.fields) <= allowed_targets(endpoint.entity)
        assert endpoint.path


def test_a_mapping_in_the_wrong_direction_names_file_and_line(tmp_path: Path) -> None:
    message = refused(tmp_path / "m.yaml", HEAD + "      sourcedId: external_id\n")

    assert "m.yaml:5, key endpoints.users.field_mappings.sourcedId" in message
    assert "sourcedId is not a field of users" in message


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        (HEAD + "      external_id: a..b\n", 5, "is not a path"),
        (HEAD + "      external_id: {from: a, form: b}\n", 5, "unknown key form"),
        (HEAD + "      email: mail\n", 4, "external_id is missing"),
        ("connector_name: x\nendpoint: {}\nendpoints: {}\n", 2, "unknown key"),
        (
            "connector_name: x\nendpoints:\n  pupils:\n    field_mappings: {}\n",
            3,
            "pupils is not an entity",
        ),
        (
            "connector_name: x\nrole_map:\n  boss: chief\nendpoints: {}\n",
            3,
            "chief is not a roster role",
        ),
        (
            "connector_name: x\nendpoints:\n  users:\n    query: no.sql\n"
            "    field_mappings: {external_id: a}\n",
            4,
            "no.sql does not exist",
        ),
        (HEAD + "      external_id: a\n      external_id: b\n", 6, "occurs twice"),
    ],
)
def test_wrong_entries_are_refused_with_their_line(
    tmp_path: Path, text: str, line: int, rule: str
) -> None:
    message = refused(tmp_path / "m.yaml", text)

    assert f"m.yaml:{line}" in message
    assert rule in message


def test_yaml_and_json_are_equal_and_a_byte_order_mark_is_ignored(
    tmp_path: Path,
) -> None:
    data = yaml.safe_load(ONEROSTER.read_text(encoding="utf-8"))
    path = tmp_path / "m.json"
    path.write_text(json.dumps(data, indent=2), encoding="utf-8-sig")

    mapping = read_mapping(path, project_root=REPOSITORY)
    assert (
        mapping.endpoints == read_mapping(ONEROSTER, project_root=REPOSITORY).endpoints
    )


def test_fingerprint_changes_with_the_file_and_with_its_queries(tmp_path: Path) -> None:
    query = tmp_path / "q.sql"
    query.write_text("SELECT * FROM raw.users", encoding="utf-8")
    path = tmp_path / "m.yaml"
    text = HEAD.replace("field_", "query: q.sql\n    field_") + "      external_id: a\n"
    path.write_text(text, encoding="utf-8")
    first = read_mapping(path, project_root=tmp_path).fingerprint

    query.write_text("SELECT * FROM raw.users WHERE true", encoding="utf-8")
    assert read_mapping(path, project_root=tmp_path).fingerprint != first


@pytest.mark.long
def test_renaming_a_target_changes_the_staged_column(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    text = ONEROSTER.read_text(encoding="utf-8")
    path.write_text(text.replace("room: location", "sis_id: location"), "utf-8")
    records = valid()
    records["classes"][0]["location"] = "Room 12"

    before = rows(Bench(tmp_path / "a").json(records), "classes")["C1"]
    after = rows(Bench(tmp_path / "b", mapping=path).json(records), "classes")["C1"]
    assert (before["room"], before["sis_id"]) == ("Room 12", None)
    assert (after["room"], after["sis_id"]) == (None, "Room 12")
