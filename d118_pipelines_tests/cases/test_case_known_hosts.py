"""known_hosts files as districts make them, on Windows and by hand.

The cases of host keys; a test is named after its number.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from d118_pipelines.errors import HostKeyError
from d118_pipelines.ssh.address import Address
from d118_pipelines.ssh.known_hosts import read_known_hosts, verify_host_key
from d118_pipelines_tests.cases.case import CASES
from d118_pipelines_tests.support.sshd import SshKeys

VENDOR, OTHER = Address("sftp.vendor.example", 22), Address("sftp.other.example", 2222)
TEXT = "AAAAC3NzaC1lZDI1NTE5AAAAIEhBbVBsZUtleUZvclRlc3RzT25seTAwMDAwMDAwMDA="
KEY = base64.b64decode(TEXT)
PLAIN = f"sftp.vendor.example ssh-ed25519 {TEXT} vendor\n"
SECOND = f"[sftp.other.example]:2222 ssh-ed25519 {TEXT}\r\n"


def verify(path: Path, address: Address, key: bytes = KEY) -> None:
    verify_host_key(
        read_known_hosts(path, address),
        path=path,
        address=address,
        describe="$HRRECORDS_SFTP_ADDRESS",
        key_type="ssh-ed25519",
        key=key,
    )


@pytest.mark.parametrize("name", ["bom_crlf", "utf16le_powershell"])
@pytest.mark.parametrize("address", [VENDOR, OTHER], ids=["first", "second"])
def test_case_35_a_file_made_by_powershell_is_read(name: str, address: Address) -> None:
    [folder] = CASES.glob("35-*")

    verify(folder / name, address)
    with pytest.raises(HostKeyError, match="another host key"):
        verify(folder / name, address, KEY + b"x")


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("utf-32"),
        lambda text: text.encode("utf-16")[:-1],
        lambda text: text.encode("utf-8-sig") * 2,
        lambda text: "# Schlüssel\r".encode("cp1252") + text.encode(),
    ],
    ids=["utf16", "le", "be-mark", "be", "utf32", "cut", "twice", "cp1252"],
)
def test_case_35_other_encodings_are_read_too(
    tmp_path: Path, encode: Callable[[str], bytes]
) -> None:
    path = tmp_path / "known_hosts"
    path.write_bytes(encode(PLAIN + SECOND))

    verify(path, VENDOR)
    verify(path, OTHER)


def test_case_35_lines_added_by_powershell_to_a_plain_file_are_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "known_hosts"
    path.write_bytes(PLAIN.encode() + SECOND.encode("utf-16"))

    verify(path, VENDOR)
    verify(path, OTHER)


@pytest.mark.real
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_case_35_hashed_hosts_behind_a_mark_are_found(
    tmp_path: Path, encoding: str
) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    path = tmp_path / "known_hosts"
    path.write_text(PLAIN)
    command = ["ssh-keygen", "-q", "-H", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_text().encode(encoding))

    verify(path, VENDOR)


@pytest.mark.real
def test_case_35_a_refusal_shows_both_fingerprints(
    tmp_path: Path, ssh_keys: SshKeys
) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(PLAIN)
    key = base64.b64decode(ssh_keys.public("host_ed25519").split()[1])

    with pytest.raises(HostKeyError) as caught:
        verify(path, VENDOR, key)

    for kind in ("sha256", "md5"):
        command = ["ssh-keygen", "-E", kind, "-lf", ssh_keys.private("host_ed25519")]
        printed = subprocess.run(command, check=True, capture_output=True, text=True)
        assert printed.stdout.split()[1] in caught.value.where


@pytest.mark.parametrize(
    "line",
    [
        f"ssh-ed25519 {TEXT}",
        f"ssh-ed25519 {TEXT} vendor",
        f"sftp.vendor.example ssh-ed25519 {TEXT[:40]}…",
        "---- BEGIN SSH2 PUBLIC KEY ----",
        "@revoked",
    ],
)
def test_case_35_a_refusal_names_the_lines_that_cannot_be_read(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"# comment\n{line}\n", encoding="utf-8")

    with pytest.raises(HostKeyError, match="not read: line 2"):
        verify(path, VENDOR)
