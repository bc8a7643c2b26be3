"""Roles and words between the versions."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from d118_pipelines.targets.build import Export
from d118_pipelines_tests.targets.oneroster.district import (
    district,
    enrolled,
    person,
    school_class,
)
from d118_pipelines_tests.targets.oneroster.reader import Reading, Row
from d118_pipelines_tests.targets.oneroster.rosters import (
    Roster,
    archive,
    broken,
    exported,
    found,
    role,
)

WORDS = [
    *("student", "teacher", "aide", "proctor", "parent", "guardian", "relative"),
    *("counselor", "principal", "siteAdministrator", "districtAdministrator"),
    *("systemAdministrator", "ext:staff", "ext:nurse"),
]


def staffed() -> Roster:
    """The district with a user for each word, and users of several."""
    roster = district()
    roster["users"] += [person(f"X-{i}", role("S5", w)) for i, w in enumerate(WORDS)]
    roster["users"] += [
        person("M-1", role("S5", "parent"), role("S6", "teacher"))
        | {"primary_school_external_id": None},
        person("M-2", role("S5", "teacher", is_primary=False))
        | {"roles": [role("S5", "proctor"), role("S5", "teacher", is_primary=False)]},
        person("M-3", role("S6", "student", end_date="2026-09-15"))
        | {"roles": [role("S6", "student", end_date="2026-09-15"), role("S5", "aide")]},
        person("M-4", role("S5", "teacher", is_primary=False))
        | {"roles": [role("S5", w, is_primary=True) for w in ("teacher", "aide")]},
        person("M-5", role("S6", "student", end_date="2026-09-01")),
    ]
    roster["classes"].append(
        school_class("51299", class_type="ext:club", term_external_ids=["D100-3601"])
    )
    roster["enrollments"] += [
        enrolled("R-1", "M-2", "aide"),
        enrolled("R-2", "M-1", "teacher"),
    ]
    return roster


MAP = ["ext:nurse=aide", "counselor=teacher", "enrollments.aide=proctor"]


@pytest.fixture(scope="module", params=["1.1", "1.2.1"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Export, Reading]:
    version = request.param
    folder = tmp_path_factory.mktemp("roles")
    export = exported(folder, staffed(), version=version, role_map=MAP)
    return version, export, Reading(archive(export), version)


def by_id(rows: list[Row]) -> dict[str, Row]:
    return {row["sourcedId"]: row for row in rows}


def words(reading: Reading) -> dict[str, list[str]]:
    """User -> words, in the order of the file."""
    if reading.version == "1.1":
        return {row["sourcedId"]: [row["role"]] for row in reading.rows["users"]}
    listed: dict[str, list[str]] = {}
    for row in reading.rows["roles"]:
        listed.setdefault(row["userSourcedId"], []).append(row["role"])
    return listed


@pytest.mark.long
def test_both_versions_are_strictly_right(both: tuple[str, Export, Reading]) -> None:
    _, export, reading = both

    assert reading.complaints == []
    assert broken(export) == {}


@pytest.mark.long
def test_every_word_has_its_twin(both: tuple[str, Export, Reading]) -> None:
    version, _, reading = both
    got = words(reading)

    old = dict.fromkeys(
        ["principal", "siteAdministrator", "districtAdministrator"], "administrator"
    ) | {"systemAdministrator": "administrator"}
    own = {"ext:nurse": "aide", "counselor": "teacher"}
    for number, word in enumerate(WORDS):
        wanted = own.get(word, word)
        if version == "1.1":
            wanted = old.get(wanted, wanted)
        if version == "1.1" and wanted == "ext:staff":
            assert f"X-{number}" not in got
        else:
            assert got[f"X-{number}"] == [wanted]


@pytest.mark.long
def test_a_word_without_twin_is_named(both: tuple[str, Export, Reading]) -> None:
    version, export, _ = both
    named = {k: d for c, k, d in found(export) if c == "write.role_unmapped"}

    missing = {"users/X-12": "role: ext:staff", "users/W-1": "role: ext:staff"}
    assert named == (missing if version == "1.1" else {})


@pytest.mark.long
def test_of_several_words_1_1_writes_one(tmp_path: Path) -> None:
    export = exported(tmp_path, staffed(), version="1.1", reads_back=False)
    rows = by_id(Reading(archive(export), "1.1").rows["users"])

    assert {k: d for c, k, d in found(export) if c == "write.role_collapsed"} == {
        "users/M-1": "written as teacher",  # the first of the order: there is no home
        "users/M-2": "written as proctor",  # the primary one at home
        "users/M-4": "written as aide",
        "users/T-80": "written as aide",  # counselor, the primary one, as aide
    }
    assert rows["M-1"]["orgSourcedIds"] == "S5,S6"
    assert rows["M-3"]["role"] == "aide" and rows["M-3"]["orgSourcedIds"] == "S5"
    assert rows["S-9003"]["orgSourcedIds"] == "S6,S5"
    assert "M-5" not in rows  # all of its roles are over
    details = {k: d for c, k, d in found(export) if c == "write.left_out"}
    assert details["users/M-5"] == "endDate: the role has ended"


def test_roles_of_1_2_keep_dates_types_and_identifiers(
    both: tuple[str, Export, Reading],
) -> None:
    version, _, reading = both
    if version == "1.1":
        assert "roles" not in reading.rows
        return
    rows: dict[tuple[str, str, str], Row] = {
        (r["userSourcedId"], r["orgSourcedId"], r["role"]): r
        for r in reading.rows["roles"]
    }

    assert rows["M-3", "S6", "student"]["endDate"] == "2026-09-15"
    assert rows["M-2", "S5", "proctor"]["roleType"] == "primary"
    assert rows["M-2", "S5", "teacher"]["roleType"] == "secondary"
    types = [rows["M-4", "S5", w]["roleType"] for w in ("aide", "teacher")]
    assert types == ["primary", "secondary"]
    text = "\n".join(["M-3", "S6", "student"])
    digits = hashlib.sha256(text.encode()).hexdigest()[:32]
    assert rows["M-3", "S6", "student"]["sourcedId"] == f"r-{digits}"


def test_words_of_enrollments_and_classes(both: tuple[str, Export, Reading]) -> None:
    version, _, reading = both

    assert by_id(reading.rows["enrollments"])["R-1"]["role"] == "proctor"
    kind = by_id(reading.rows["classes"])["51299"]["classType"]
    assert kind == ("scheduled" if version == "1.1" else "ext:club")


def test_disabled_users_stay_with_false(both: tuple[str, Export, Reading]) -> None:
    _, _, reading = both
    users = by_id(reading.rows["users"])

    assert users["S-9002"]["enabledUser"] == "false"
    assert users["S-9001"]["enabledUser"] == "true"
    assert "E-3" in reading.ids("enrollments")


@pytest.mark.long
def test_a_role_without_school_is_at_home_else_in_the_district(tmp_path: Path) -> None:
    roster = district()
    nowhere = {"school_external_id": None}
    roster["users"] += [
        person("H-1", role("S5", "teacher") | nowhere)
        | {"primary_school_external_id": "S6"},
        person(
            "H-2", role("S5", "ext:staff", "staff") | nowhere | {"source_role": None}
        ),
        person("H-3", role("S5", "x", "district_admin") | {"source_role": None}),
    ]
    export = exported(tmp_path, roster, reads_back=False)
    got = {
        r["userSourcedId"]: (r["orgSourcedId"], r["role"])
        for r in Reading(archive(export), "1.2.1").rows["roles"]
    }

    assert got["H-1"] == ("S6", "teacher")
    assert got["H-2"] == ("D100", "ext:staff")
    assert got["H-3"] == ("S5", "districtAdministrator")
