"""A real server is logged into with the one way that is configured, and no other."""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.errors import AuthenticationError, ConfigurationError
from d118_pipelines.ssh.address import Address
from d118_pipelines.ssh.settings import SftpSettings
from d118_pipelines_tests.delivery.destinations import (
    ORDERED,
    make_set,
    now,
    sftp_settings,
)
from d118_pipelines_tests.ssh.key_files import ALL, PASSPHRASE, KeyFiles
from d118_pipelines_tests.support.sshd import (
    PASSWORD,
    Sshd,
    SshKeys,
    require_isolation,
    running_sshd,
)

pytestmark = pytest.mark.real
NOT_ALLOWED = "does not allow a login with the user name and password"


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, ssh_keys: SshKeys, key_files: KeyFiles
) -> Iterator[Sshd]:
    """A server that takes all the keys."""
    base = tmp_path_factory.mktemp("sshd")
    authorized = list(key_files.public.values())
    with running_sshd(base, ssh_keys, authorized=authorized) as running:
        yield running


def list_folder(settings: SftpSettings) -> list[str]:
    with SftpRemote(settings) as remote:
        return remote.listing()


def with_password(server: Sshd, tmp_path: Path, password: str) -> SftpSettings:
    require_isolation("a login with a password")
    return sftp_settings(server, tmp_path, key_file=None, password=password)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "form"), [(kind, form) for kind, form, protected in ALL if protected]
)
def test_key_of_each_format_logs_in(
    server: Sshd, tmp_path: Path, key_files: KeyFiles, kind: str, form: str
) -> None:
    settings = sftp_settings(
        server,
        tmp_path,
        key_file=key_files.path(kind, form, True),
        key_passphrase=PASSPHRASE,
    )

    assert list_folder(settings) == []


def test_password_logs_in(server: Sshd, tmp_path: Path) -> None:
    assert list_folder(with_password(server, tmp_path, PASSWORD)) == []


def test_password_logs_in_where_the_server_asks_for_it(
    tmp_path: Path, ssh_keys: SshKeys
) -> None:
    if not Path("/etc/pam.d/sshd").exists():
        pytest.skip("this sshd has no PAM to ask for a password")
    (tmp_path / "sshd").mkdir()
    with running_sshd(
        tmp_path / "sshd",
        ssh_keys,
        config=[
            "UsePAM yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication yes",
        ],
    ) as server:
        settings = with_password(server, tmp_path, PASSWORD)

        assert list_folder(settings) == []
        with pytest.raises(AuthenticationError, match="refused the user name"):
            list_folder(replace(settings, password="wrong"))


def test_wrong_password_is_final_and_tried_once(server: Sshd, tmp_path: Path) -> None:
    settings = with_password(server, tmp_path, "wrong")
    before = server.login_attempts

    with pytest.raises(AuthenticationError, match="refused the user name") as caught:
        deliver_set(lambda: SftpRemote(settings), make_set(tmp_path), ORDERED, now=now)

    assert server.login_attempts == before + 1
    assert "$SFE_SFTP_USERNAME" in caught.value.next_step


def test_server_that_hangs_up_on_a_wrong_password_has_refused_it(
    tmp_path: Path, ssh_keys: SshKeys
) -> None:
    (tmp_path / "sshd").mkdir()
    config = ["MaxAuthTries 1"]
    with running_sshd(tmp_path / "sshd", ssh_keys, config=config) as server:
        settings = with_password(server, tmp_path, "wrong")

        with pytest.raises(AuthenticationError):
            list_folder(settings)


def test_key_that_the_server_does_not_know_is_final(
    server: Sshd, tmp_path: Path
) -> None:
    key = server.keys.private("other_ed25519")
    settings = sftp_settings(server, tmp_path, key_file=key)

    with pytest.raises(AuthenticationError, match="refused the key"):
        list_folder(settings)


def test_server_without_passwords_says_so(tmp_path: Path, ssh_keys: SshKeys) -> None:
    (tmp_path / "sshd").mkdir()
    config = ["PasswordAuthentication no"]
    with running_sshd(tmp_path / "sshd", ssh_keys, config=config) as server:
        settings = sftp_settings(server, tmp_path, key_file=None, password="any")

        with pytest.raises(AuthenticationError, match=NOT_ALLOWED):
            list_folder(settings)


def test_server_that_wants_key_and_password_says_so(
    tmp_path: Path, ssh_keys: SshKeys
) -> None:
    (tmp_path / "sshd").mkdir()
    config = ["AuthenticationMethods publickey,password"]
    with (
        running_sshd(tmp_path / "sshd", ssh_keys, config=config) as server,
        pytest.raises(AuthenticationError, match="wants more than the key"),
    ):
        list_folder(sftp_settings(server, tmp_path))


def test_wrong_passphrase_contacts_nobody(tmp_path: Path, key_files: KeyFiles) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text("", encoding="ascii")
        settings = SftpSettings(
            address=Address("127.0.0.1", listener.getsockname()[1]),
            username="any",
            password=None,
            key_file=key_files.path("rsa", "PKCS8", True),
            key_passphrase="wrong",
            known_hosts=known_hosts,
            directory=".",
        )

        with pytest.raises(ConfigurationError, match="another passphrase"):
            list_folder(settings)
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    ("password", "has_key"), [(None, False), ("", False), ("any", True)]
)
def test_login_is_either_a_password_or_a_key(
    server: Sshd, tmp_path: Path, password: str | None, has_key: bool
) -> None:
    settings = sftp_settings(server, tmp_path)

    with pytest.raises(ConfigurationError, match="either a password or a private key"):
        replace(
            settings,
            password=password,
            key_file=settings.key_file if has_key else None,
        )


def test_no_secret_and_no_account_is_in_messages_logs_or_reprs(
    server: Sshd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "canary-wrong-password"
    settings = with_password(server, tmp_path, wrong)
    caplog.set_level(logging.DEBUG)

    with pytest.raises(AuthenticationError) as caught:
        list_folder(settings)
    list_folder(replace(settings, password=PASSWORD))

    shown = [
        *traceback.format_exception(caught.value),
        repr(caught.value),
        repr(settings),
        repr(replace(settings, password=None, key_file=tmp_path, key_passphrase=wrong)),
        caplog.text,
    ]
    assert "Authentication (password) successful" in caplog.text
    for secret in (wrong, PASSWORD, server.account):
        assert not [text for text in shown if secret in text]
