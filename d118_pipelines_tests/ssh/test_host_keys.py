"""A real server is trusted by its listed key only; before that nothing is said to it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.errors import ConfigurationError, DestinationError, HostKeyError
from d118_pipelines.ssh.settings import SftpSettings
from d118_pipelines_tests.delivery.destinations import sftp_settings
from d118_pipelines_tests.support.sshd import Sshd, SshKeys, running_sshd

pytestmark = pytest.mark.real


def list_folder(settings: SftpSettings) -> list[str]:
    with SftpRemote(settings) as remote:
        return remote.listing()


def test_listed_key_lets_the_login_go_ahead(sshd: Sshd, tmp_path: Path) -> None:
    assert list_folder(sftp_settings(sshd, tmp_path)) == []
    assert sshd.login_attempts > 0


def test_hashed_entry_lets_the_login_go_ahead(sshd: Sshd, tmp_path: Path) -> None:
    settings = sftp_settings(sshd, tmp_path)
    command = ["ssh-keygen", "-q", "-H", "-f", str(settings.known_hosts)]
    subprocess.run(command, check=True, capture_output=True)

    assert list_folder(settings) == []


def test_unknown_key_is_refused_before_any_login(sshd: Sshd, tmp_path: Path) -> None:
    settings = sftp_settings(sshd, tmp_path)
    settings.known_hosts.write_text("", encoding="ascii")

    with pytest.raises(HostKeyError, match="not known") as caught:
        list_folder(settings)

    assert sshd.keys.public("host_ed25519") in caught.value.next_step
    assert f"127.0.0.1 port {sshd.port}" in caught.value.where
    assert sshd.login_attempts == 0
    assert "Connection from 127.0.0.1 port" in sshd.log_text()


def test_line_of_the_message_is_the_one_to_add(sshd: Sshd, tmp_path: Path) -> None:
    settings = sftp_settings(sshd, tmp_path)
    settings.known_hosts.write_text("", encoding="ascii")
    with pytest.raises(HostKeyError) as caught:
        list_folder(settings)

    line = caught.value.next_step.split(f"{settings.known_hosts}: ")[1]
    settings.known_hosts.write_text(line + "\n", encoding="ascii")

    assert list_folder(settings) == []


def test_changed_key_is_refused_before_any_login(sshd: Sshd, tmp_path: Path) -> None:
    settings = sftp_settings(sshd, tmp_path)
    key = sshd.keys.public("other_ed25519")
    line = f"[127.0.0.1]:{sshd.port} {key}\n"
    settings.known_hosts.write_text(line, encoding="ascii")

    with pytest.raises(HostKeyError, match="another host key than before"):
        list_folder(settings)

    assert sshd.login_attempts == 0


def test_entry_without_the_port_does_not_count(sshd: Sshd, tmp_path: Path) -> None:
    settings = sftp_settings(sshd, tmp_path)
    line = f"127.0.0.1 {sshd.keys.public('host_ed25519')}\n"
    settings.known_hosts.write_text(line, encoding="ascii")

    with pytest.raises(HostKeyError, match=rf"write \[127\.0\.0\.1\]:{sshd.port}"):
        list_folder(settings)

    assert sshd.login_attempts == 0


def test_server_is_asked_for_the_type_of_key_that_is_listed(
    sshd: Sshd, tmp_path: Path
) -> None:
    settings = sftp_settings(sshd, tmp_path)
    line = f"[127.0.0.1]:{sshd.port} {sshd.keys.public('host_rsa')}\n"
    settings.known_hosts.write_text(line, encoding="ascii")

    assert list_folder(settings) == []


def test_missing_known_hosts_contacts_nobody(sshd: Sshd, tmp_path: Path) -> None:
    settings = sftp_settings(sshd, tmp_path)
    settings.known_hosts.unlink()

    with pytest.raises(ConfigurationError, match="ssh-keyscan"):
        list_folder(settings)

    assert "Connection from" not in sshd.log_text()


def test_old_server_needs_the_switch_of_its_target(
    tmp_path: Path, ssh_keys: SshKeys
) -> None:
    (tmp_path / "sshd").mkdir()
    with running_sshd(
        tmp_path / "sshd",
        ssh_keys,
        config=["HostKeyAlgorithms ssh-rsa"],
        host_keys=["host_rsa"],
    ) as server:
        settings = sftp_settings(server, tmp_path)
        line = f"[127.0.0.1]:{server.port} {ssh_keys.public('host_rsa')}\n"
        settings.known_hosts.write_text(line, encoding="ascii")

        with pytest.raises(DestinationError, match="allow_ssh_rsa: true"):
            list_folder(settings)
        assert server.login_attempts == 0

        assert list_folder(replace(settings, allow_ssh_rsa=True)) == []
        assert server.login_attempts > 0


def test_old_server_with_another_key_is_refused(
    tmp_path: Path, ssh_keys: SshKeys
) -> None:
    (tmp_path / "sshd").mkdir()
    with running_sshd(
        tmp_path / "sshd",
        ssh_keys,
        config=["HostKeyAlgorithms ssh-rsa"],
        host_keys=["host_rsa"],
    ) as server:
        settings = sftp_settings(server, tmp_path, allow_ssh_rsa=True)

        with pytest.raises(HostKeyError, match="not known"):
            list_folder(settings)

        assert server.login_attempts == 0
