"""Archives that are meant to do harm are refused before anything is written."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines_tests.sources.oneroster_csv.pulls import pull_path
from d118_pipelines_tests.support.bundles import (
    BASE_1_1,
    OneWay,
    RawMember,
    raw_zip,
    set_of,
    write_zip,
    zip_bytes,
)

LINK = stat.S_IFLNK | 0o777
DEVICE = stat.S_IFBLK | 0o600
PLAIN = zip_bytes(set_of())
ZEROS = b"0" * (40 * 1024**2)
MEMBER = RawMember("users.csv")
STORED = RawMember("orgs.csv", b"sourcedId\n", method=0)

HOSTILE = {
    "up": ("zip.traversal", raw_zip(RawMember("../users.csv"))),
    "absolute": ("zip.traversal", raw_zip(RawMember("/etc/users.csv"))),
    "drive": ("zip.traversal", raw_zip(RawMember("c:users.csv"))),
    "backslash": ("zip.traversal", raw_zip(RawMember("a\\users.csv"))),
    "control": ("zip.traversal", raw_zip(RawMember("users\x1b.csv"))),
    "nul": ("zip.traversal", raw_zip(RawMember("users.csv\0.txt"))),
    "long": ("zip.traversal", raw_zip(RawMember("u" * 256))),
    "link": ("zip.special_file", raw_zip(RawMember("users.csv", mode=LINK))),
    "device": ("zip.special_file", raw_zip(RawMember("users.csv", mode=DEVICE))),
    "case": ("zip.duplicate_entry", raw_zip(MEMBER, RawMember("Users.csv"))),
    "same": ("zip.duplicate_entry", raw_zip(MEMBER, MEMBER)),
    "unicode": (
        "zip.duplicate_entry",
        raw_zip(RawMember("\u00e9.csv"), RawMember("e\u0301.csv")),
    ),
    "nested by name": ("zip.nested_archive", raw_zip(RawMember("data.zip"))),
    "nested by content": (
        "zip.nested_archive",
        raw_zip(RawMember("users.csv", b"PK\x03\x04" + b"x" * 600)),
    ),
    "nested gzip": (
        "zip.nested_archive",
        raw_zip(RawMember("users.csv", b"\x1f\x8b\x08" + b"x" * 600)),
    ),
    "nested tar": (
        "zip.nested_archive",
        raw_zip(RawMember("users.csv", b"a" * 257 + b"ustar" + b"x" * 300)),
    ),
    "bomb": ("zip.ratio", raw_zip(RawMember("orgs.csv", ZEROS))),
    "bomb with a lie": ("zip.crc", raw_zip(RawMember("manifest.csv", ZEROS, size=99))),
    "goes on": ("zip.crc", raw_zip(RawMember("manifest.csv", b"abc" * 99, size=9))),
    "too short": ("zip.crc", raw_zip(RawMember("manifest.csv", b"abc", size=9))),
    "checksum": ("zip.crc", raw_zip(RawMember("manifest.csv", b"abc", crc=7))),
    "not deflate": (
        "zip.crc",
        raw_zip(RawMember("manifest.csv", b"abc", packed=b"\xff" * 50)),
    ),
    "many": (
        "zip.too_many_entries",
        raw_zip(*(RawMember(f"{n}.csv") for n in range(65))),
    ),
    "encrypted": ("zip.encrypted", raw_zip(RawMember("users.csv", flags=1))),
    "strongly encrypted": ("zip.encrypted", raw_zip(RawMember("a.csv", flags=0x2000))),
    "method": ("zip.method", raw_zip(RawMember("users.csv", method=12))),
    "overlap": ("zip.overlap", raw_zip(MEMBER, RawMember("orgs.csv", offset=0))),
    "two names": (
        "zip.overlap",
        raw_zip(RawMember("users.csv", local_name="other.csv")),
    ),
    "two sizes": ("zip.overlap", raw_zip(RawMember("users.csv", local_size=5))),
    "data in front": ("zip.overlap", b"#!/bin/sh\n" + raw_zip(STORED)),
    "no archive": ("zip.not_a_zip", b"sourcedId,name\n"),
    "empty": ("zip.not_a_zip", b""),
    "cut": ("zip.not_a_zip", PLAIN[: len(PLAIN) // 2]),
    "directory damaged": (
        "zip.not_a_zip",
        PLAIN.replace(b"PK\x01\x02", b"PK\x01\x09", 1),
    ),
    "second volume": ("zip.not_a_zip", PLAIN[:-18] + b"\1\0\1\0" + PLAIN[-14:]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_refused_and_leaves_nothing(
    name: str, tmp_path: Path
) -> None:
    code, data = HOSTILE[name]
    path = tmp_path / "inbox" / "set.zip"
    path.parent.mkdir()
    path.write_bytes(data)

    with pytest.raises(IncompleteExtractError) as caught:
        pull_path(path, tmp_path / "home")

    assert f"FAILED {code} " in caught.value.what
    left = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert left == [Path("inbox/set.zip")]


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_compressed_bytes=500),
        Limits(max_entry_bytes=300),
        Limits(max_total_bytes=1500),
    ],
)
def test_sizes_above_a_limit_are_refused(limits: Limits, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", set_of())

    with pytest.raises(IncompleteExtractError, match=r"zip\.too_large"):
        pull_path(path, tmp_path, limits=limits)


def test_rows_above_the_limit_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", set_of())

    with pytest.raises(IncompleteExtractError, match=r"zip\.too_large.*1 rows"):
        pull_path(path, tmp_path, limits=Limits(max_rows_per_file=1))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_members_are_read(method: int, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", set_of(), method)

    pulled = pull_path(path, tmp_path)

    assert pulled.codes() == []
    assert {n: c.rows for n, c in pulled.pull.collections.items()} == {
        "orgs": 2,
        "academicSessions": 2,
        "courses": 1,
        "classes": 1,
        "users": 2,
        "roles": 0,
        "enrollments": 2,
        "demographics": 1,
    }


def test_members_with_sizes_behind_the_data_are_read(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with (
        OneWay(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, data in set_of().items():
            archive.writestr(name, data)

    assert pull_path(path, tmp_path).codes() == []


def test_members_with_zip64_sizes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in set_of().items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)

    assert pull_path(path, tmp_path).codes() == []


def test_one_common_folder_is_ignored_with_a_warning(tmp_path: Path) -> None:
    files = {f"export/{name}": data for name, data in set_of().items()}
    stray = {
        "export/": b"",
        "__MACOSX/export/._users.csv": b"x",
        "export/.DS_Store": b"x",
    }
    path = write_zip(tmp_path / "set.zip", {**files, **stray})

    pulled = pull_path(path, tmp_path)

    assert pulled.codes() == ["zip.ignored_entry info", "zip.in_folder warn"]
    assert (
        pulled.pull.collections["users"].rows == len(BASE_1_1["users"].splitlines()) - 1
    )


def test_member_in_another_folder_is_no_file_of_the_set(tmp_path: Path) -> None:
    files = set_of()
    files["old/users.csv"] = files.pop("users.csv")
    path = write_zip(tmp_path / "set.zip", files)

    with pytest.raises(IncompleteExtractError, match=r"bundle\.file_missing"):
        pull_path(path, tmp_path)
