"""Sets are fetched from a real OpenSSH server, and only from the one that is known."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.errors import (
    AuthenticationError,
    HostKeyError,
    IncompleteExtractError,
)
from d118_pipelines.sources.oneroster_csv.place import SftpPlace
from d118_pipelines.sources.oneroster_csv.source import OneRosterCsvSource
from d118_pipelines.ssh.address import Address
from d118_pipelines.ssh.folder import RemoteFile, SftpFolder
from d118_pipelines.ssh.settings import SftpSettings
from d118_pipelines_tests.sources.oneroster_csv.pulls import pull_set, pull_source
from d118_pipelines_tests.support.bundles import (
    BASE_1_2,
    ENROLLMENTS,
    set_of,
    write_folder,
    write_zip,
)
from d118_pipelines_tests.support.sshd import (
    FOLDER,
    PASSWORD,
    Sshd,
    require_isolation,
)

pytestmark = pytest.mark.real


def settings_for(server: Sshd, base: Path, key: str = "host_ed25519") -> SftpSettings:
    known_hosts = base / "known_hosts"
    line = f"[127.0.0.1]:{server.port} {server.keys.public(key)}\n"
    known_hosts.write_text(line, encoding="ascii")
    return SftpSettings(
        address=Address("127.0.0.1", server.port),
        username=server.account,
        password=None,
        key_file=server.keys.private("login"),
        key_passphrase=None,
        known_hosts=known_hosts,
        directory=f"./{FOLDER}",
        describe="sftp.host of the provider",
    )


def test_folder_on_a_server_is_read_like_a_local_one(
    sshd: Sshd, tmp_path: Path
) -> None:
    files = set_of(BASE_1_2, version="1.2")
    write_folder(sshd.folder, {**files, "notes.txt": b"x" * 99})
    source = OneRosterCsvSource(SftpPlace(settings_for(sshd, tmp_path)))

    far = pull_source(source, tmp_path / "far")

    near = pull_set(files, tmp_path / "near")
    for name in near.pull.collections:
        assert far.rows(name) == near.rows(name), name
    assert far.pull.details == near.pull.details
    assert not list(far.pull.folder.glob(".*")), "the download is gone"


def test_archive_on_a_server_is_read(sshd: Sshd, tmp_path: Path) -> None:
    write_zip(sshd.folder / "set.zip", set_of())
    write_zip(sshd.folder / "other.zip", {})
    place = SftpPlace(settings_for(sshd, tmp_path), zip_name="set.zip")

    pulled = pull_source(OneRosterCsvSource(place), tmp_path)

    assert pulled.pull.collections["users"].rows == 2


def test_delta_set_from_a_server_proves_no_absence(sshd: Sshd, tmp_path: Path) -> None:
    row = "E-1,active,2026-10-02T14:05:00.000Z,51234,S5,S-9001,student,,,\n"
    modes = {"enrollments": "delta"}
    write_folder(sshd.folder, set_of({}, enrollments=ENROLLMENTS + row, modes=modes))
    source = OneRosterCsvSource(SftpPlace(settings_for(sshd, tmp_path)))

    pulled = pull_source(source, tmp_path)

    assert {c.absence for c in pulled.pull.collections.values()} == {"never"}
    assert pulled.pull.collections["enrollments"].is_delta


def test_wrong_host_key_stops_before_any_login(sshd: Sshd, tmp_path: Path) -> None:
    write_folder(sshd.folder, set_of())
    source = OneRosterCsvSource(
        SftpPlace(settings_for(sshd, tmp_path, "other_ed25519"))
    )

    with pytest.raises(HostKeyError) as caught:
        pull_source(source, tmp_path)

    assert f"127.0.0.1 port {sshd.port}" in caught.value.where
    assert "offered ssh-ed25519 SHA256:" in caught.value.where
    assert sshd.login_attempts == 0
    assert list((tmp_path / "raw").iterdir()) == []


def test_test_of_the_connection_says_what_is_there(sshd: Sshd, tmp_path: Path) -> None:
    write_folder(sshd.folder, set_of(modes={"demographics": "absent"}))
    settings = settings_for(sshd, tmp_path)

    report = OneRosterCsvSource(SftpPlace(settings)).test()
    write_folder(sshd.folder, {"users.csv": b"a,b\n"})
    broken = OneRosterCsvSource(SftpPlace(settings)).test()
    unknown = OneRosterCsvSource(
        SftpPlace(replace(settings, known_hosts=Path("/dev/null")))
    ).test()

    assert report.success
    assert report.details["users"] == "bulk"
    assert report.details["roles"] == "not there"
    assert not broken.success
    assert "csv.header_missing" in broken.message
    assert not unknown.success


@pytest.mark.parametrize("way", ["password", "key text", "wrong password"])
def test_ways_to_log_in(way: str, sshd: Sshd, tmp_path: Path) -> None:
    if way != "key text":
        require_isolation("a login with a password")
    write_folder(sshd.folder, set_of())
    settings = settings_for(sshd, tmp_path)
    key = sshd.keys.private("login").read_text(encoding="ascii")
    change = {
        "password": {"password": PASSWORD},
        "wrong password": {"password": "wrong"},
        "key text": {"key_text": key},
    }[way]
    settings = replace(settings, **{"key_file": None, **change})  # type: ignore[arg-type]

    if way == "wrong password":
        with pytest.raises(AuthenticationError):
            pull_source(OneRosterCsvSource(SftpPlace(settings)), tmp_path)
    else:
        pulled = pull_source(OneRosterCsvSource(SftpPlace(settings)), tmp_path)
        assert pulled.pull.collections["users"].rows == 2


def test_too_large_file_is_refused_before_it_is_read(
    sshd: Sshd, tmp_path: Path
) -> None:
    write_folder(sshd.folder, set_of())
    with (sshd.folder / "enrollments.csv").open("ab") as file:
        file.truncate(9 * 1024**3)  # takes no room on the disk, but time to read
    source = OneRosterCsvSource(SftpPlace(settings_for(sshd, tmp_path)))
    started = time.monotonic()

    with pytest.raises(IncompleteExtractError, match=r"zip\.too_large"):
        pull_source(source, tmp_path)

    assert time.monotonic() - started < 20
    assert list((tmp_path / "raw").iterdir()) == []


def test_download_of_another_size_than_listed_is_refused(
    sshd: Sshd, tmp_path: Path
) -> None:
    write_folder(sshd.folder, {"users.csv": b"x" * 70_000})
    with SftpFolder(settings_for(sshd, tmp_path)) as remote:
        [listed] = remote.files()
        for size in (69_999, 70_001):
            wrong = RemoteFile("users.csv", size, listed.mtime_seconds)
            with pytest.raises(IncompleteExtractError, match="changed"):
                remote.download(wrong, tmp_path / f"{size}")
        remote.download(listed, tmp_path / "right")

    assert (tmp_path / "right").read_bytes() == b"x" * 70_000
