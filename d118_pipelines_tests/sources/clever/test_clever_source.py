"""What a pull from Clever holds, and what it is not made of."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import (
    ConfigurationError,
    FatalError,
    IncompleteExtractError,
)
from d118_pipelines.sources.clever.source import CleverSource, school_year_of
from d118_pipelines_tests.sources.clever.district import (
    DISTRICT,
    SCHOOL,
    SCHOOL_YEAR,
    as_v2,
    clever_id,
    person,
    pull_of,
    records,
    section,
    small_district,
    source_of,
    student,
    teacher,
)
from d118_pipelines_tests.support.clever_server import CleverServer


def test_every_role_is_read_to_its_end(tmp_path: Path) -> None:
    data = small_district(students=150, teachers=20)
    with CleverServer(data, cap=100) as server:
        pull = pull_of(source_of(server), tmp_path)

    assert len({r["id"] for r in records(pull, "users")}) == 170
    assert pull.collections["users"].absence == "proven"
    assert pull.collections["users"].pages == 2 + 1 + 1 + 1


def test_each_role_has_a_cursor_of_its_own(tmp_path: Path) -> None:
    with CleverServer(small_district(5, 5), cap=2) as server:
        pull_of(source_of(server), tmp_path)

    asked = [parse_qs(urlsplit(r).query) for r in server.requests if "/users" in r]
    firsts = [q["role"] for q in asked if "starting_after" not in q]
    assert firsts == [["student"], ["teacher"], ["staff"], ["district_admin"]]
    assert [q["role"][0] for q in asked].count("teacher") == 3


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
def test_version_stands_once_in_every_address(tmp_path: Path, version: str) -> None:
    with CleverServer(small_district(), cap=2) as server:
        pull_of(source_of(server, api_version=version), tmp_path)

    assert any("starting_after" in request for request in server.requests)
    assert all(request.count(f"/{version}/") == 1 for request in server.requests)


@pytest.mark.parametrize("version", ["v2.1", "v2.0"])
def test_v2_people_are_stored_in_the_shape_of_v3(tmp_path: Path, version: str) -> None:
    data = small_district()
    data["users"].append(
        person("staff", 1, {"staff": {"staff_id": "9", "schools": [SCHOOL]}})
    )
    with CleverServer(as_v2(data)) as server:
        pull = pull_of(source_of(server, api_version=version), tmp_path)

    stored = {r["id"]: r for r in records(pull, "users")}
    assert stored == {r["id"]: r for r in data["users"]}
    assert not any("/contacts" in request for request in server.requests)
    assert server.requests[0].startswith("/v2.1/")


def test_v2_contacts_name_their_students_as_v3_does(tmp_path: Path) -> None:
    flat = as_v2(small_district())
    flat["contacts"] = [
        {
            "id": clever_id("contact"),
            "name": "Pat Last1",
            "relationship": "Parent",
            "type": "Primary",
            "students": [clever_id("student")],
        }
    ]
    with CleverServer(flat) as server:
        source = source_of(server, api_version="v2.1", with_contacts=True)
        stored = records(pull_of(source, tmp_path), "users")[-1]

    assert stored["name"] == {"last": "Pat Last1"}
    assert stored["roles"]["contact"]["student_relationships"] == [
        {"student": clever_id("student"), "relationship": "Parent", "type": "Primary"}
    ]


def test_contacts_are_read_only_when_wanted(tmp_path: Path) -> None:
    data = small_district()
    data["users"].append(person("contact", 1, {"contact": {}}))
    with CleverServer(data) as server:
        without = records(pull_of(source_of(server), tmp_path / "a"), "users")
        wanted = source_of(server, with_contacts=True)
        with_them = records(pull_of(wanted, tmp_path / "b"), "users")

    assert len(with_them) == len(without) + 1


def test_sensitive_fields_are_not_stored(tmp_path: Path) -> None:
    secret = {"dob": "1/2/2010", "race": "Asian", "iep_status": "Y", "disability": "x"}
    more = {
        "ext": {"note": "x"},
        "location": {"address": "1 Elm"},
        "home_language": "x",
    }
    data = small_district()
    data["users"][0] = student(1, **secret, **more)
    with CleverServer(data) as server:
        stored = records(pull_of(source_of(server), tmp_path), "users")[0]

    assert stored == student(1)


def test_school_year_of_the_settings_is_part_of_the_pull(tmp_path: Path) -> None:
    with CleverServer(small_district()) as server:
        pull = pull_of(source_of(server), tmp_path)

    assert records(pull, "school_year") == [
        {
            "id": f"{DISTRICT}-year-2027",
            "district": DISTRICT,
            "start_date": "2026-07-01",
            "end_date": "2027-06-30",
        }
    ]


def test_pull_writes_what_the_source_says_it_writes(tmp_path: Path) -> None:
    with CleverServer(small_district()) as server:
        source = source_of(server)
        pull = pull_of(source, tmp_path)

    assert tuple(pull.collections) == source.collections
    assert {c.absence for c in pull.collections.values()} == {"proven"}


@pytest.mark.parametrize("name", ["schools", "users", "sections"])
def test_empty_collection_fails_the_pull(tmp_path: Path, name: str) -> None:
    with CleverServer({**small_district(), name: []}) as server:
        with pytest.raises(IncompleteExtractError, match=r"clever\.empty_collection"):
            pull_of(source_of(server), tmp_path)
        pull = pull_of(source_of(server, allow_empty=[name]), tmp_path)

    assert pull.collections[name].rows == 0
    assert len(list(tmp_path.iterdir())) == 1


def test_no_terms_no_courses_and_a_role_without_people_are_legal(
    tmp_path: Path,
) -> None:
    data = {**small_district(teachers=0), "terms": [], "courses": []}
    with CleverServer(data) as server:
        pull = pull_of(source_of(server), tmp_path)

    assert pull.collections["terms"].rows == pull.collections["courses"].rows == 0


def test_too_many_records_fail_the_pull(tmp_path: Path) -> None:
    with CleverServer(small_district(students=5)) as server:
        with pytest.raises(IncompleteExtractError, match=r"pull\.too_many_records"):
            pull_of(source_of(server), tmp_path, max_records=6)
        pull_of(source_of(server), tmp_path, max_records=7)


@pytest.mark.parametrize("name", ["districts", "users", "sections"])
def test_token_of_another_district_is_refused(tmp_path: Path, name: str) -> None:
    data = small_district()
    key = "id" if name == "districts" else "district"
    data[name][0][key] = clever_id("district", 2)
    with (
        CleverServer(data) as server,
        pytest.raises(FatalError, match=r"clever\.wrong_district"),
    ):
        pull_of(source_of(server), tmp_path)


def test_oddities_are_findings_without_values(tmp_path: Path) -> None:
    data = small_district()
    data["districts"][0] |= {"state": "paused"}
    data["terms"].append({"id": clever_id("term", 2), "district": DISTRICT})
    data["users"][0] |= {"email": "nobody", "shoe_size": "44"}
    data["users"][-1] = teacher(2, staff={"schools": []}, wizard={})
    data["sections"].append(section(2, teacher=clever_id("teacher", 2)))
    with CleverServer(data) as server:
        pull = pull_of(source_of(server), tmp_path)

    rows = pq.read_table(pull.findings_file).to_pylist()
    found = {
        (r["code"], r["severity"], r["source_file"], r["external_id"]) for r in rows
    }
    assert len(rows) == len(found), "a person with two roles is noted once"
    assert found == {
        ("clever.district_paused", "info", "districts", DISTRICT),
        ("row.defaulted", "warn", "terms", clever_id("term", 2)),
        ("clever.odd_email", "warn", "users", clever_id("student", 1)),
        ("clever.unknown_role", "warn", "users", clever_id("teacher", 2)),
        ("clever.unknown_field", "info", "users", None),
        ("clever.teacher_not_listed", "warn", "sections", clever_id("section", 2)),
    }
    assert "nobody" not in str(rows) and "44" not in str(rows)


def test_findings_of_one_kind_are_detailed_up_to_a_number(tmp_path: Path) -> None:
    data = small_district(students=1500)
    for user in data["users"]:
        user["email"] = "x"
    with CleverServer(data) as server:
        pull = pull_of(source_of(server), tmp_path)

    counts = pq.read_table(pull.findings_file)["count"].to_pylist()
    assert len(counts) == 1001
    assert sum(counts) == 1502


@pytest.mark.parametrize(
    ("token", "version"), [(None, "v3.0"), ("t", "v1.2"), ("", "v3.0")]
)
def test_source_without_credential_or_of_unknown_version_is_refused(
    token: str | None, version: str
) -> None:
    with pytest.raises(ConfigurationError):
        CleverSource(
            district_id=DISTRICT,
            access_token=token,
            api_version=version,
            school_year=SCHOOL_YEAR,
        )


@pytest.mark.parametrize("day", [dt.date(2026, 7, 1), dt.date(2027, 6, 30)])
def test_school_year_begins_in_july(day: dt.date) -> None:
    assert school_year_of(day) == SCHOOL_YEAR
