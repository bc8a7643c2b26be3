"""known_hosts is read as OpenSSH reads it, and its verdict is strict."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError, HostKeyError
from d118_pipelines.ssh.address import Address
from d118_pipelines.ssh.known_hosts import (
    fingerprint,
    key_types,
    read_known_hosts,
    verify_host_key,
)
from d118_pipelines_tests.support.sshd import SshKeys

PLAIN = Address("sftp.vendor.example", 22)
OTHER_PORT = Address("sftp.vendor.example", 2222)
KEY = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x04this"
CHANGED = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x04that"
TEXT = f"ssh-ed25519 {base64.b64encode(KEY).decode()}"


def verify(
    path: Path, address: Address, key: bytes = KEY, kind: str = "ssh-ed25519"
) -> None:
    verify_host_key(
        read_known_hosts(path, address),
        path=path,
        address=address,
        describe="$HRRECORDS_SFTP_ADDRESS",
        key_type=kind,
        key=key,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


@pytest.mark.parametrize(
    ("names", "address"),
    [
        ("sftp.vendor.example", PLAIN),
        ("other.example,SFTP.Vendor.example", PLAIN),
        ("*.vendor.example", PLAIN),
        ("sft?.vendor.example", PLAIN),
        ("[sftp.vendor.example]:2222", OTHER_PORT),
        ("[*.vendor.example]:2222", OTHER_PORT),
        ("2001:db8::7", Address("2001:db8::7", 22)),
        ("[2001:db8::7]:2222", Address("2001:db8::7", 2222)),
    ],
)
def test_listed_key_is_accepted(path: Path, names: str, address: Address) -> None:
    path.write_text(f"# comment\n\nbroken line\n{names} {TEXT} a comment\n")

    verify(path, address)

    assert key_types(read_known_hosts(path, address), address) == {"ssh-ed25519"}


@pytest.mark.parametrize("address", [PLAIN, OTHER_PORT])
def test_hashed_entry_is_accepted(path: Path, address: Address) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    name = f"[{address.host}]:2222" if address is OTHER_PORT else address.host
    path.write_text(f"{name} {TEXT}\n")
    command = ["ssh-keygen", "-q", "-H", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    assert "vendor" not in path.read_text()

    verify(path, address)


@pytest.mark.parametrize(
    ("names", "address"),
    [
        ("other.example", PLAIN),
        ("vendor.example", PLAIN),
        ("sftp.vendor.example", OTHER_PORT),
        ("[sftp.vendor.example]:2222", PLAIN),
        ("[sftp.vendor.example]:2223", OTHER_PORT),
        ("*.vendor.example,!sftp.vendor.example", PLAIN),
        ("@cert-authority sftp.vendor.example", PLAIN),
        ("|1|broken", PLAIN),
        ("|1|AAAA|AAAA", PLAIN),
    ],
)
def test_unknown_key_is_refused_with_the_line_to_add(
    path: Path, names: str, address: Address
) -> None:
    path.write_text(f"{names} {TEXT}\n")

    with pytest.raises(HostKeyError, match="not known") as caught:
        verify(path, address)

    message = str(caught.value)
    name = address.host if address.port == 22 else f"[{address.host}]:{address.port}"
    assert f"add this line to {path}: {name} {TEXT}" in message
    assert f"{address.host} port {address.port}" in message
    assert f"ssh-ed25519 {fingerprint(KEY)}" in message
    assert "$HRRECORDS_SFTP_ADDRESS" in message


def test_entry_without_the_port_is_pointed_out(path: Path) -> None:
    path.write_text(f"\nsftp.vendor.example {TEXT}\n")

    with pytest.raises(HostKeyError, match=r"see line 2 \(without the port"):
        verify(path, OTHER_PORT)


def test_changed_key_is_refused_with_the_line_to_replace(path: Path) -> None:
    path.write_text(f"#\nsftp.vendor.example {TEXT}\n")

    with pytest.raises(HostKeyError, match="another host key than before") as caught:
        verify(path, PLAIN, CHANGED)

    assert f"replace line 2 of {path}" in str(caught.value)
    assert fingerprint(CHANGED) in str(caught.value)


def test_revoked_key_is_refused_even_where_it_is_listed(path: Path) -> None:
    line = f"sftp.vendor.example {TEXT}"
    path.write_text(f"{line}\n@revoked {line}\n")

    with pytest.raises(HostKeyError, match="revoked"):
        verify(path, PLAIN)


def test_one_of_several_keys_is_enough(path: Path) -> None:
    other = f"ssh-rsa {base64.b64encode(CHANGED).decode()}"
    path.write_text(f"sftp.vendor.example {other}\nsftp.vendor.example {TEXT}\n")

    verify(path, PLAIN)


def test_missing_file_says_how_to_make_it(path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_known_hosts(path, OTHER_PORT)

    step = caught.value.next_step
    assert f"ssh-keyscan -p 2222 sftp.vendor.example > {path}" in step


@pytest.mark.real
def test_fingerprint_is_the_one_that_openssh_prints(ssh_keys: SshKeys) -> None:
    command = ["ssh-keygen", "-lf", str(ssh_keys.private("host_rsa")) + ".pub"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True)

    key = base64.b64decode(ssh_keys.public("host_rsa").split()[1])

    assert fingerprint(key) == printed.stdout.split()[1]
