"""Manifest, names, headers and modes: what a set says about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.place import LocalPlace
from d118_pipelines.sources.oneroster_csv.source import OneRosterCsvSource
from d118_pipelines.sources.pull import run_pull
from d118_pipelines_tests.sources.oneroster_csv.pulls import (
    NOW,
    pull_path,
    pull_set,
    refusal,
)
from d118_pipelines_tests.support.bundles import (
    BASE_1_1,
    BASE_1_2,
    DEMOGRAPHICS,
    ENROLLMENTS,
    ORGS,
    USERS_1_1,
    manifest,
    set_of,
    write_folder,
)

MANIFEST = manifest(BASE_1_1)
NEWLINE = "\n"


def with_manifest(text: str) -> dict[str, bytes]:
    return set_of(manifest=text)


def without_bulk(text: str) -> str:
    return MANIFEST.replace(",bulk", f",{text}")


WARNED = {
    "bulk set of 1.1": (set_of(), []),
    "bulk set of 1.2.1": (set_of(BASE_1_2, version="1.2"), []),
    "1.2.1 in the manifest": (set_of(BASE_1_2, version="1.2.1"), []),
    "1.1.1 in the manifest": (set_of(version="1.1.1"), []),
    "all quoted": (
        with_manifest(
            NEWLINE.join(f'"{r}"'.replace(",", '","') for r in MANIFEST.splitlines())
        ),
        [],
    ),
    "own columns at the right": (
        set_of(orgs=ORGS.replace("\n", ",metadata.x\n") + "S5,,,n,school,5,,y\n"),
        [],
    ),
    "spreadsheet took the zero": (
        with_manifest(MANIFEST.replace("version,1.0", "version,1")),
        ["manifest.bad_version warn"],
    ),
    "blank modes": (with_manifest(without_bulk("")), ["manifest.bad_mode warn"]),
    "unknown modes": (with_manifest(without_bulk("full")), ["manifest.bad_mode warn"]),
    "mode in capitals": (
        with_manifest(MANIFEST.replace("users,bulk", "users,Bulk")),
        ["manifest.bad_mode warn"],
    ),
    "header in capitals": (
        with_manifest(MANIFEST.replace("propertyName", " PROPERTYNAME")),
        ["manifest.bad_header warn"],
    ),
    "unknown property": (
        with_manifest(MANIFEST + "file.systemName,x\n"),
        ["manifest.unknown_property warn"],
    ),
    "property twice alike": (
        with_manifest(MANIFEST + "file.users,bulk\n"),
        ["manifest.duplicate_property warn"],
    ),
    "file not listed": (
        with_manifest(MANIFEST.replace("file.users,bulk\n", "")),
        ["bundle.file_undeclared warn", "manifest.missing_property warn"],
    ),
    "file declared absent": (
        with_manifest(MANIFEST.replace("users,bulk", "users,absent")),
        ["bundle.file_undeclared warn"],
    ),
    "file of no version": (set_of(notes="a\n"), ["bundle.file_unknown warn"]),
    "manifest alone": (set_of({}), ["bundle.no_change info"]),
    "header only": (
        set_of(demographics=DEMOGRAPHICS),
        ["bundle.empty_file warn"],
    ),
    "1.2 shape in a 1.1 set": (
        set_of(BASE_1_2, version="1.1"),
        ["bundle.file_undeclared warn", "bundle.version_conflict warn"],
    ),
    "status in bulk": (
        set_of(orgs=ORGS + "S5,active,2026-08-01T00:00:00.000Z,n,school,5,\n"),
        ["row.status_in_bulk warn"],
    ),
    "header in other case": (
        set_of(orgs=ORGS.replace("sourcedId", " sourcedid") + "S5,,,n,school,5,\n"),
        ["csv.header_case warn"],
    ),
    "header in another order": (
        set_of(orgs=ORGS.replace("name,type", "type,name") + "S5,,,school,n,5,\n"),
        ["csv.header_order warn"],
    ),
    "own column in between": (
        set_of(orgs=ORGS.replace("type", "metadata.x,type") + "S5,,,n,y,school,5,\n"),
        ["csv.header_order warn"],
    ),
    "misspelled optional column": (
        set_of(orgs=ORGS.replace("dateLast", "dataLast") + "S5,,,n,school,5,\n"),
        ["csv.header_missing warn", "csv.header_unknown warn"],
    ),
    "manifest in Windows-1252": (
        set_of(manifest=MANIFEST.replace("Example", "Zoë").encode("cp1252")),
        ["csv.encoding warn"],
    ),
    "gradebook file": (
        set_of(results="sourcedId,status,dateLastModified\nx,,\n"),
        [],
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_set_is_read_with_these_findings(name: str, tmp_path: Path) -> None:
    files, codes = WARNED[name]

    assert pull_set(files, tmp_path).codes() == codes


def without(*names: str) -> dict[str, bytes]:
    return set_of(**dict.fromkeys(names))


REFUSED = {
    "no manifest": ("bundle.manifest_missing", without("manifest")),
    "version 1.0": (
        "bundle.version_unsupported",
        with_manifest(
            MANIFEST.replace("oneroster.version,1.1", "oneroster.version,1.0")
        ),
    ),
    "declared file missing": (
        "bundle.file_missing",
        {k: v for k, v in set_of().items() if k != "classes.csv"},
    ),
    "no courses": ("bundle.incomplete", without("courses")),
    "no roles in 1.2": (
        "bundle.incomplete",
        set_of(BASE_1_2, version="1.2", roles=None),
    ),
    "delta without status": ("bundle.mode_conflict", set_of(modes={"users": "delta"})),
    "manifest header": (
        "manifest.bad_header",
        with_manifest(MANIFEST.replace("propertyName", "name")),
    ),
    "property twice": (
        "manifest.duplicate_property",
        with_manifest(MANIFEST + "file.users,delta\n"),
    ),
    "NUL in the manifest": ("csv.nul", with_manifest(MANIFEST + "\0\n")),
    "NUL in a header": ("csv.nul", set_of(orgs=ORGS.replace("name", "na\0me"))),
    "header of 1.0": (
        "csv.header_missing",
        set_of(orgs="sourcedId,status,name\nS5,,x\n"),
    ),
    "other delimiter": ("csv.header_missing", set_of(orgs=ORGS.replace(",", ";"))),
    "empty file": ("csv.header_missing", set_of(orgs="")),
    "misspelled column in delta": (
        "csv.header_missing",
        set_of(
            enrollments=ENROLLMENTS.replace("dateLast", "dataLast"),
            modes={"enrollments": "delta"},
        ),
    ),
    "column twice": (
        "csv.header_duplicate",
        set_of(orgs=ORGS.replace("identifier", "name")),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_set_is_refused_with_its_code(name: str, tmp_path: Path) -> None:
    code, files = REFUSED[name]

    assert f"FAILED {code} " in refusal(files, tmp_path)


def test_header_with_too_many_columns_is_refused(tmp_path: Path) -> None:
    text = refusal(set_of(), tmp_path, limits=Limits(max_columns=5))

    assert "csv.record_too_long" in text


def test_file_with_its_name_in_other_case_is_read_with_a_warning(
    tmp_path: Path,
) -> None:
    files = set_of()
    files["Users.CSV"] = files.pop("users.csv")

    pulled = pull_set(files, tmp_path)

    assert pulled.codes() == ["bundle.file_case warn"]
    assert len(pulled.rows("users")) == 2


def test_files_may_have_other_names(tmp_path: Path) -> None:
    files = set_of()
    files["people.csv"] = files.pop("users.csv")

    pulled = pull_set(files, tmp_path, file_names={"users": "people.csv"})

    assert pulled.codes() == []
    assert len(pulled.rows("users")) == 2


def test_only_archive_of_a_folder_is_the_set(tmp_path: Path) -> None:
    from d118_pipelines_tests.support.bundles import write_zip

    folder = write_folder(tmp_path / "inbox", {"readme.txt": b"x"})
    write_zip(folder / "set.zip", set_of())

    assert pull_path(folder, tmp_path / "1").codes() == []
    assert pull_path(folder, tmp_path / "2", zip_name="set.zip").codes() == []


def test_path_without_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IncompleteExtractError, match=r"bundle\.not_found"):
        pull_path(tmp_path / "nothing", tmp_path)

    report = OneRosterCsvSource(LocalPlace(tmp_path / "nothing")).test()
    assert not report.success
    assert "bundle.not_found" in report.message


def test_set_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", set_of())

    def upload_goes_on(name: str, rows: int, pages: int, seconds: float) -> None:
        with (folder / "enrollments.csv").open("ab") as file:
            file.write(b"\n")

    with pytest.raises(IncompleteExtractError, match=r"bundle\.changed"):
        run_pull(
            OneRosterCsvSource(LocalPlace(folder)),
            tmp_path / "raw",
            provider="sis",
            run_id="0123456789",
            now=NOW,
            on_progress=upload_goes_on,
        )

    assert list((tmp_path / "raw").iterdir()) == []


def test_pull_says_what_the_set_said(tmp_path: Path) -> None:
    first = pull_set(set_of(modes={"demographics": "absent"}), tmp_path / "1")
    again = pull_set(set_of(modes={"demographics": "absent"}), tmp_path / "2")
    other = pull_set(set_of(), tmp_path / "3")

    details = first.pull.details
    assert details["version"] == "1.1"
    assert details["mode.users"] == "bulk"
    assert details["mode.demographics"] == "absent"
    assert details["content_hash"] == again.pull.details["content_hash"]
    assert details["content_hash"] != other.pull.details["content_hash"]


def test_all_columns_of_both_versions_are_there_in_both(tmp_path: Path) -> None:
    old = pull_set(set_of(), tmp_path / "1").rows("users")[0]
    new = pull_set(set_of(BASE_1_2, version="1.2"), tmp_path / "2").rows("users")[0]

    assert old.keys() == new.keys()
    assert (old["role"], new["role"]) == ("student", None)


def test_own_columns_are_kept_and_denied_ones_are_not(tmp_path: Path) -> None:
    header = ORGS.replace("\n", ",metadata.color,metadata.ssn\n")
    files = set_of(orgs=header + "S5,,,n,school,5,,blue,123\n")

    [row] = pull_set(files, tmp_path).rows("orgs")

    assert row["metadata.color"] == "blue"
    assert "123" not in row.values()


def test_users_of_1_1_need_no_roles(tmp_path: Path) -> None:
    users = USERS_1_1 + "S-9001,,,true,S5,student,x,,A,B,,,,,,,,\n"

    assert pull_set(set_of(users=users), tmp_path).codes() == []


def test_a_file_that_is_never_stored_blocks_no_set(tmp_path: Path) -> None:
    said = MANIFEST.replace("file.results,absent", "file.results,bulk")
    said = said.replace("file.lineItems,absent", "file.lineItems,bulk")
    files = set_of(
        manifest=said,
        results='score,,"x\0',  # a header that nobody can read
        categories="\xff\xfe\x00",
        resources="sourcedId,sourcedId\n" + "a,b,c\n" * 100,
    )
    pulled = pull_set(files, tmp_path)

    of_files = {
        finding["source_file"]: finding["severity"] for finding in pulled.findings()
    }
    others = {"results", "lineItems", "categories", "resources"}
    assert (
        {f"{name}.csv" for name in others}
        >= of_files.keys()
        >= {
            "results.csv",
            "lineItems.csv",
            "resources.csv",
        }
    )
    assert set(of_files.values()) == {"warn"}
