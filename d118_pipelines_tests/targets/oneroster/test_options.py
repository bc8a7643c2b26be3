"""What each option of the OneRoster export does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines_tests.targets.oneroster.district import district, school_class
from d118_pipelines_tests.targets.oneroster.reader import Reading, tables
from d118_pipelines_tests.targets.oneroster.rosters import (
    Exports,
    archive,
    broken,
    exported,
    internal_id,
    members,
    target,
)


def read(folder: Path, **options: Any) -> Reading:
    """The set of the district with these options; it is strictly right."""
    export = exported(folder, district(), reads_back=False, **options)
    reading = Reading(archive(export), options.get("version", "1.2.1"))
    assert reading.complaints == [] and broken(export) == {}
    return reading


def test_the_options_are_these_and_no_others(tmp_path: Path) -> None:
    assert set(target(tmp_path, {}).model.options) == {
        *("version", "mode", "empty_files", "sourced_id", "schools", "roles", "grades"),
        *("demographics", "leave_out", "lead_days", "tail_days", "role_map"),
    }


@pytest.mark.parametrize("name", ["version", "mode", "empty_files", "sourced_id"])
def test_a_value_that_an_option_lacks_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="must be one of"):
        target(tmp_path, {name: "other"})


@pytest.mark.long
def test_schools_by_external_or_sis_identifier(tmp_path: Path) -> None:
    reading = read(tmp_path, schools=["5"], demographics=True)

    assert reading.ids("orgs") == {"D100", "S5", "S5-MATH"}
    assert reading.ids("classes") == {"51234", "51236"}
    assert "S-9003" in reading.ids("users")  # has a role there as well
    assert not {"T-79", "A-2", "P-2", "A-1"} & reading.ids("users")
    places = {(r["userSourcedId"], r["orgSourcedId"]) for r in reading.rows["roles"]}
    assert {("T-77", "S5"), ("T-77", "D100")} <= places
    assert reading.ids("enrollments") == {"E-1", "E-2", "E-3", "E-4"}
    homes = {r["sourcedId"]: r["primaryOrgSourcedId"] for r in reading.rows["users"]}
    assert homes["S-9003"] == "" and homes["S-9001"] == "S5"


@pytest.mark.long
def test_roles_are_those_of_the_roster(tmp_path: Path) -> None:
    reading = read(tmp_path, roles=["teacher"])

    assert reading.ids("users") == {"T-77", "T-78", "T-79", "T-80"}
    assert {r["role"] for r in reading.rows["roles"]} == {"teacher"}
    assert {r["role"] for r in reading.rows["enrollments"]} == {"teacher"}


@pytest.mark.long
def test_grades_choose_students_their_classes_and_their_contacts(
    tmp_path: Path,
) -> None:
    reading = read(tmp_path, grades=["08"])

    users = reading.ids("users")
    assert {"S-9003", "P-1", "P-2", "P-3", "T-77"} <= users
    assert not {"S-9001", "S-9002"} & users
    assert reading.ids("classes") == {"51235"}


@pytest.mark.long
def test_demographics_are_off_until_they_are_asked_for(tmp_path: Path) -> None:
    export = exported(tmp_path, district(), reads_back=False)

    got = members(export)
    assert "demographics.csv" not in got
    assert "file.demographics,absent\r\n" in got["manifest.csv"]
    assert "2011-05-03" not in "".join(got.values())


@pytest.mark.long
def test_a_column_that_is_left_out_stays_blank(tmp_path: Path) -> None:
    out = ["users.email", "users.grades", "courses.subjectCodes", "roles.beginDate"]
    reading = read(tmp_path, leave_out=out)

    assert not any(r["email"] or r["grades"] for r in reading.rows["users"])
    courses = reading.rows["courses"]
    assert not any(r["subjectCodes"] or r["subjects"] for r in courses)
    assert any(r["subjects"] for r in reading.rows["classes"])
    assert not any(r["beginDate"] for r in reading.rows["roles"])


def optional_columns() -> set[str]:
    """All columns that a set need not fill, but status, password and ends of roles."""
    versions = tables()["tables"]["users"]
    texts = {**tables()["tables"], "users": " ".join(versions.values())}
    return {
        f"{file}.{word.partition(':')[0]}"
        for file, text in texts.items()
        for word in text.split()
        if not word.partition(":")[0].endswith("!")
    }


@pytest.mark.long
def test_every_optional_column_can_be_left_out_and_no_other(tmp_path: Path) -> None:
    kept = {"roles.endDate", "enrollments.endDate", "roles.userProfileSourcedId"}
    kept |= {"users.password", "users.resourceSourcedIds"}
    may = sorted(optional_columns() - kept)
    exports = Exports(tmp_path)
    export = exports.make(district(), reads_back=False, leave_out=may)
    assert export is not None and broken(export) == {}
    for rows in Reading(archive(export), "1.2.1").rows.items():
        file, records = rows
        for name in (c.partition(".")[2] for c in may if c.startswith(f"{file}.")):
            assert not any(record.get(name) for record in records), (file, name)

    wrong = ["users.givenName", "roles.endDate", "users.shoeSize"]
    export = exports.make(district(), reads_back=False, leave_out=wrong)
    assert export is not None
    assert set(broken(export)) == {"guard.leave_out_optional"}
    assert all(name in broken(export)["guard.leave_out_optional"] for name in wrong)


@pytest.mark.long
def test_words_of_options_that_mean_nothing_stop_the_set(tmp_path: Path) -> None:
    wrong: dict[str, list[str]] = {
        "schools": ["S5", "S99"],
        "roles": ["teachers"],
        "grades": ["9"],
        "role_map": ["aide"],
    }
    export = exported(tmp_path, district(), reads_back=False, **wrong)

    assert {f"guard.{n}_known" for n in ("schools", "roles", "grades")} | {
        "guard.role_map_readable"
    } <= set(broken(export))
    assert "S99" in broken(export)["guard.schools_known"]
    assert "S5" not in broken(export)["guard.schools_known"].replace("S5-", "")


@pytest.mark.long
def test_the_window_takes_past_and_future_classes(tmp_path: Path) -> None:
    narrow = read(tmp_path / "narrow", lead_days=10)
    wide = read(tmp_path / "wide", tail_days=120)

    assert narrow.ids("academicSessions") == {"D100-3600", "D100-3601", "D100-3602"}
    assert "41000" not in narrow.ids("classes")
    assert {"41000", "51234"} <= wide.ids("classes")
    assert "D100-3500" in wide.ids("academicSessions")
    assert "E-8" in wide.ids("enrollments") - narrow.ids("enrollments")


@pytest.mark.long
def test_classes_of_a_later_term_wait_for_the_lead(tmp_path: Path) -> None:
    roster = district()
    roster["classes"].append(school_class("60000", term_external_ids=["D100-3602"]))
    exports = Exports(tmp_path)
    for days, is_there in ((10, False), (366, True)):
        export = exports.make(roster, reads_back=False, lead_days=days)
        assert export is not None
        got = "60000" in Reading(archive(export), "1.2.1").ids("classes")
        assert got == is_there


@pytest.mark.long
def test_internal_identifiers_are_the_rosters_own(tmp_path: Path) -> None:
    reading = read(tmp_path, sourced_id="internal", demographics=True)

    assert internal_id("users", "S-9001") in reading.ids("demographics")
    [row] = [
        r
        for r in reading.rows["enrollments"]
        if r["sourcedId"] == internal_id("enrollments", "E-1")
    ]
    assert row["classSourcedId"] == internal_id("classes", "51234")


@pytest.mark.long
def test_empty_files_are_left_out_or_sent_as_headers(tmp_path: Path) -> None:
    roster = district()
    roster["demographics"], roster["users"] = [], roster["users"][1:2]
    exports = Exports(tmp_path)
    omitted = exports.make(roster, demographics=True, reads_back=False)
    header = exports.make(
        roster, demographics=True, empty_files="header_only", reads_back=False
    )

    assert omitted is not None and header is not None
    assert "demographics.csv" not in members(omitted)
    assert "file.demographics,absent\r\n" in members(omitted)["manifest.csv"]
    assert members(header)["demographics.csv"].count("\r\n") == 1
    assert "file.demographics,bulk\r\n" in members(header)["manifest.csv"]


@pytest.mark.long
def test_form_and_own_columns_are_keys_of_the_target(tmp_path: Path) -> None:
    own = {
        "users": [{"metadata.title": "title"}],
        "orgs": [{"metadata.level": "low_grade"}],
    }
    keys = {"columns": own, "format": {"quoting": "all", "newline": "lf", "bom": True}}
    roster = district()
    roster["users"][0]["title"] = "Dr."
    export = Exports(tmp_path, keys=keys).make(roster)

    assert export is not None and broken(export) == {}
    users = members(export)["users.csv"]
    assert users.startswith('\ufeff"sourcedId","status",')
    assert '"pronouns","metadata.title"\n' in users and '"Dr."\n' in users
    assert members(export)["orgs.csv"].split("\n")[0].endswith(',"metadata.level"')
