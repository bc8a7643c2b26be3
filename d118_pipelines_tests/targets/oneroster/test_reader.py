"""The strict reader of the tests is strict: each planted fault is a complaint."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from d118_pipelines_tests.support.bundles import BASE_1_1, BASE_1_2, set_of
from d118_pipelines_tests.targets.oneroster.reader import Reading

# Version, file, text, what stands in its place, and a part of the complaint.
FAULTS = [
    ("1.1", "orgs", "D100,,,", "D100,active,,", "status in bulk"),
    ("1.1", "orgs", ",school,5,D100", ",campus,5,D100", "no word of the version"),
    ("1.1", "orgs", ",school,5,D100", ",ext:own,5,D100", "no word of the version"),
    ("1.1", "orgs", ",school,5,D100", ",school,5,D 99", "leads nowhere"),
    ("1.1", "orgs", ",5,D100", ",5,S5", "leads nowhere"),
    ("1.1", "orgs", "S5,,,", "S:5,,,", "identifier"),
    ("1.1", "orgs", "name,type", "type,name", "header"),
    ("1.1", "orgs", "Example High", "Exa\u0301mple High", "NFC"),
    ("1.1", "orgs", "Example High", " Example High", "blanks"),
    ("1.1", "orgs", "Example High School", "", "name: missing"),
    ("1.1", "courses", '"09,10"', '"09, 10"', "in a list"),
    ("1.1", "courses", ",Mathematics,MAT", ",Mathematics,", "subjects without codes"),
    ("1.1", "classes", ",S5,", ",D100,", "at no school"),
    ("1.1", "enrollments", ",teacher,true", ",proctor,true", "primary, but no teacher"),
    ("1.1", "enrollments", "student,,2026-08-17", "student,,2026-08-01", "before the"),
    ("1.1", "enrollments", ",2027-01-16\nE-2", ",2026-13-01\nE-2", "no date"),
    ("1.1", "enrollments", ",2027-01-16\nE-2", ",2026-08-01\nE-2", "ends before"),
    ("1.1", "enrollments", "E-2,,,", "E-1,,,", "twice"),
    ("1.1", "users", ",Sam,", ",,", "givenName: missing"),
    ("1.1", "users", "{staffId:77}", "staffId:77", "userIds"),
    ("1.1", "demographics", "S-9001,", "NOBODY,", "of nobody"),
    ("1.2", "roles", "r-1,,,T-77,primary", "r-1,,,T-77,secondary", "0 primary roles"),
    ("1.2", "roles", "r-3,,,S-9001", "r-3,,,T-77", "2 primary roles"),
    ("1.2", "users", ",,,,,,S5,\n", ",,,,,,D100,\n", "no role at the primary org"),
]


def read(
    folder: Path, version: str, file: str = "", old: str = "", new: str = ""
) -> list[str]:
    base = dict(BASE_1_1 if version == "1.1" else BASE_1_2)
    if file:
        assert old in base[file], old
        base[file] = base[file].replace(old, new, 1)
    data = set_of(base, version=version)
    manifest = data.pop("manifest.csv")
    archive = folder / "set.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in [
            ("manifest.csv", manifest),
            *sorted(data.items(), key=order),
        ]:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(entry, text.replace(b"\n", b"\r\n"))
    return Reading(archive, "1.1" if version == "1.1" else "1.2.1").complaints


def order(member: tuple[str, bytes]) -> str:
    return member[0].lower()


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_good_set_has_no_complaint(tmp_path: Path, version: str) -> None:
    assert read(tmp_path, version) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f[1]} {f[4]}")
def test_a_fault_is_a_complaint(
    tmp_path: Path, fault: tuple[str, str, str, str, str]
) -> None:
    version, file, old, new, complaint = fault
    found = read(tmp_path, version, file, old, new)

    assert any(complaint in text for text in found), found


def test_members_and_times_are_looked_at(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name, data in set_of(BASE_1_1).items():
            opened.writestr(name, data.replace(b"\n", b"\r\n"))
    found = " ".join(Reading(archive, "1.1").complaints)

    assert "archive: members" in found
    assert "compression" in found and "a time of its own" in found
