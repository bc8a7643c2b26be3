"""Servers of vendors that do as they like: files gone on close, old keys, new keys.

The cases of deliveries and host keys; a test is named after its number.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.errors import D118Error, DestinationError, MixedSetError
from d118_pipelines.ssh.address import Address
from d118_pipelines.ssh.settings import SftpSettings
from d118_pipelines.state import database as db
from d118_pipelines_tests.delivery.destinations import (
    ORDERED,
    bytes_of,
    make_set,
    now,
    sftp_settings,
)
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.pickup_server import (
    PASSWORD,
    PickUp,
    PickupServer,
    empty,
    move,
    pickup_server,
)
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.sshd import SshKeys, running_sshd

pytestmark = pytest.mark.real

SWITCHES = ("use_temp_names", "confirm_size", "confirm_hash", "verify_after_rename")
OFF = dict.fromkeys(SWITCHES, False)


def known(server: PickupServer, keys: SshKeys) -> str:
    return f"[127.0.0.1]:{server.port} {keys.public('host_ed25519')}\n"


def settings_for(server: PickupServer, keys: SshKeys, base: Path) -> SftpSettings:
    known_hosts = base / "known_hosts"
    known_hosts.write_text(known(server, keys), encoding="ascii")
    return SftpSettings(
        address=Address("127.0.0.1", server.port),
        username="district",
        password=PASSWORD,
        key_file=None,
        key_passphrase=None,
        known_hosts=known_hosts,
        directory="/upload1",
    )


@pytest.mark.parametrize(
    ("pick_up", "changes"),
    [
        (move, {}),
        (move, {"use_temp_names": False}),
        (move, {"confirm_size": False}),
        (move, {"confirm_size": False, "confirm_hash": False}),
        (move, {**OFF, "verify_after_rename": True}),
        (move, {"set_mtime": True, "ordered_mtimes": True}),
        (empty, {}),
        (empty, {"use_temp_names": False, "confirm_size": False}),
    ],
    ids=[
        "defaults",
        "direct",
        "read",
        "renamed",
        "looked",
        "timed",
        "empty",
        "empty-direct",
    ],
)
def test_case_33_a_file_gone_on_close_fails_and_names_the_switches(
    tmp_path: Path, ssh_keys: SshKeys, pick_up: PickUp, changes: dict[str, bool]
) -> None:
    options = DeliveryOptions(**changes)
    with pickup_server(
        tmp_path / "vendor", ssh_keys.private("host_ed25519"), pick_up
    ) as server:
        settings = settings_for(server, ssh_keys, tmp_path)
        files = make_set(tmp_path)
        with pytest.raises((DestinationError, MixedSetError)) as caught:
            deliver_set(lambda: SftpRemote(settings), files, options, now=now)

    assert "free space" not in str(caught.value)
    for switch in SWITCHES:
        assert switch in caught.value.next_step


def test_case_33_with_the_four_switches_every_file_arrives(
    tmp_path: Path, ssh_keys: SshKeys
) -> None:
    options = ORDERED.model_copy(update={**OFF, "set_mtime": False})
    with pickup_server(tmp_path / "vendor", ssh_keys.private("host_ed25519")) as server:
        settings = settings_for(server, ssh_keys, tmp_path)
        files = make_set(tmp_path)

        report = deliver_set(
            lambda: SftpRemote(settings),
            files,
            options,
            now=now,
            sleep=lambda seconds: None,
        )

        assert server.taken() == bytes_of(files)
    assert report.read_back == ()


def test_case_33_sent_and_not_read_back_moves_the_ledger(
    tmp_path: Path, ssh_keys: SshKeys
) -> None:
    project = ProjectFolder(tmp_path / "project", [Person(4000), Person(4001)])
    switches = "".join(f"  {switch}: false\n" for switch in SWITCHES)
    with pickup_server(tmp_path / "vendor", ssh_keys.private("host_ed25519")) as server:
        (project.root / "known_hosts").write_text(known(server, ssh_keys))
        project.environment |= {
            "HRRECORDS_SFTP_ADDRESS": f"127.0.0.1:{server.port}",
            "HRRECORDS_SFTP_USERNAME": "district",
            "HRRECORDS_SFTP_PASSWORD": PASSWORD,
        }
        yaml = "mappings/targets/hr_records.yaml"
        project.edit(
            yaml, "  directory: /syncNine/Inbound\n", "  directory: /upload1\n"
        )
        with pytest.raises(D118Error, match="not there after its upload"):
            project.deliver("hr_records")
        assert project.rows(db.delivery_ledger) == []

        project.edit(
            yaml, "  directory: /upload1\n", f"  directory: /upload1\n{switches}"
        )
        first = project.deliver("hr_records")
        again = project.export("hr_records")
        sent = project.d118("resend", "hr_records")

        assert set(server.taken()) >= {"StaffData.txt", "Job Types.txt"}
    assert first.status == "sent, not read back"
    assert len(project.rows(db.delivery_ledger)) == first.entries > 0
    assert again.plan.baseline == first.id
    assert "not read back at" in sent.out
    [state] = project.d118("status", "--target", "hr_records", "--json").json()
    assert (state["state"], state["last_error"]) == ("sent, not read back", "")
    register = project.d118("ledger", "disclosures", "--json").json()
    assert {row["status"] for row in register} == {"sent, not read back"}
    assert (
        "(sent, not read back)"
        in project.d118("ledger", "disclosures", "--markdown").out
    )


@pytest.mark.long
@pytest.mark.parametrize("kind", ["ssh-rsa", "ssh-ed25519"])
def test_case_34_new_keys_in_the_middle_of_a_transfer(
    tmp_path: Path, ssh_keys: SshKeys, kind: str
) -> None:
    key = "host_rsa" if kind == "ssh-rsa" else "host_ed25519"
    config = [f"HostKeyAlgorithms {kind}", "RekeyLimit 64K"]
    (tmp_path / "sshd").mkdir()
    with running_sshd(
        tmp_path / "sshd", ssh_keys, config=config, host_keys=[key]
    ) as server:
        settings = sftp_settings(server, tmp_path)
        line = f"[127.0.0.1]:{server.port} {ssh_keys.public(key)}\n"
        settings.known_hosts.write_text(line, encoding="ascii")
        files = make_set(tmp_path, sizes=(1 << 20, 300, 100_000))
        if kind == "ssh-rsa":
            with pytest.raises(DestinationError, match="allow_ssh_rsa: true"):
                deliver_set(lambda: SftpRemote(settings), files, ORDERED, now=now)
            assert server.login_attempts == 0
            settings = replace(settings, allow_ssh_rsa=True)

        report = deliver_set(lambda: SftpRemote(settings), files, ORDERED, now=now)

        arrived = {path.name: path.read_bytes() for path in server.folder.iterdir()}
        exchanges = server.log_text().count("SSH2_MSG_KEXINIT received")
    assert arrived == bytes_of(files)
    assert report.attempts == 1
    assert report.read_back == ("size", "hash", "mtime")
    assert exchanges > 10
