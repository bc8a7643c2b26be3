"""No call waits for ever: a silent or frozen server is a time limit, and is retried."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.errors import ConnectionLostError, TimeLimitError
from d118_pipelines.ssh.address import Address
from d118_pipelines.ssh.settings import SftpSettings
from d118_pipelines_tests.delivery.destinations import (
    ORDERED,
    bytes_of,
    make_set,
    now,
    sftp_settings,
)
from d118_pipelines_tests.support.relay import Relay
from d118_pipelines_tests.support.sshd import Sshd

pytestmark = pytest.mark.real
LIMIT_SECONDS = 1.0
"""Long enough for a busy machine, short enough for a test."""


def list_folder(settings: SftpSettings) -> list[str]:
    with SftpRemote(settings) as remote:
        return remote.listing()


def test_server_that_accepts_and_stays_silent_is_given_up(
    sshd: Sshd, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = sftp_settings(
            sshd,
            tmp_path,
            port=listener.getsockname()[1],
            connect_timeout_seconds=LIMIT_SECONDS,
        )
        start = time.monotonic()

        with pytest.raises(TimeLimitError, match="did not introduce itself"):
            list_folder(settings)

    assert time.monotonic() - start < 20


@pytest.mark.long
@pytest.mark.parametrize(
    ("bytes_before_open", "action"),
    [(1500, "introduce itself"), (500, "answer the login"), (60, "open the folder")],
)
def test_server_that_freezes_before_the_folder_is_open_is_given_up(
    sshd: Sshd, tmp_path: Path, bytes_before_open: int, action: str
) -> None:
    with (
        Relay(sshd.port) as relay,
        SftpRemote(sftp_settings(sshd, tmp_path, port=relay.port)),
    ):
        limit = relay.bytes_from_client - bytes_before_open

    with Relay(sshd.port, [limit], freeze=True) as relay:
        settings = sftp_settings(
            sshd,
            tmp_path,
            port=relay.port,
            connect_timeout_seconds=2,
            channel_timeout_seconds=LIMIT_SECONDS,
        )

        with pytest.raises(TimeLimitError, match=action):
            list_folder(settings)


@pytest.mark.long
def test_upload_that_freezes_is_tried_again(sshd: Sshd, tmp_path: Path) -> None:
    files = make_set(tmp_path, sizes=(1000, 1000, 3_000_000))
    with Relay(sshd.port, [1_000_000], freeze=True) as relay:
        settings = sftp_settings(
            sshd,
            tmp_path,
            port=relay.port,
            channel_timeout_seconds=LIMIT_SECONDS,
        )

        report = deliver_set(
            lambda: SftpRemote(settings),
            files,
            ORDERED,
            now=now,
            pauses_seconds=[0],
        )

    assert report.attempts == 2
    assert {p.name: p.read_bytes() for p in sshd.folder.iterdir()} == bytes_of(files)


@pytest.mark.long
@pytest.mark.parametrize(
    ("stall_seconds", "whole_seconds", "text"),
    [(LIMIT_SECONDS, 600, "no answer for 1 s"), (30, LIMIT_SECONDS, "time limit")],
)
def test_frozen_upload_ends_at_the_limit_that_comes_first(
    sshd: Sshd, tmp_path: Path, stall_seconds: float, whole_seconds: float, text: str
) -> None:
    files = make_set(tmp_path, sizes=(1000, 1000, 3_000_000))
    start = time.monotonic()
    with Relay(sshd.port, [1_000_000], freeze=True) as relay:
        settings = sftp_settings(
            sshd,
            tmp_path,
            port=relay.port,
            channel_timeout_seconds=stall_seconds,
            transfer_limit_seconds=whole_seconds,
        )

        with pytest.raises(TimeLimitError, match=f"upload E1.*{text}"):
            deliver_set(
                lambda: SftpRemote(settings),
                files,
                ORDERED,
                now=now,
                pauses_seconds=[],
            )

    assert time.monotonic() - start < 20
    assert {p.suffix for p in sshd.folder.iterdir()} == {".part"}


def test_refused_connection_is_tried_three_times_with_rising_pauses(
    sshd: Sshd, tmp_path: Path
) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # nobody listens
        address = Address("127.0.0.1", sock.getsockname()[1])
        settings = replace(sftp_settings(sshd, tmp_path), address=address)
        pauses: list[float] = []

        with pytest.raises(ConnectionLostError, match="cannot be reached"):
            deliver_set(
                lambda: SftpRemote(settings),
                make_set(tmp_path),
                ORDERED,
                now=now,
                sleep=pauses.append,
            )

    assert pauses == [1.0, 4.0]


def test_server_that_speaks_no_ssh_is_said(sshd: Sshd, tmp_path: Path) -> None:
    def say_http(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = sftp_settings(sshd, tmp_path, port=listener.getsockname()[1])
        answer = threading.Thread(target=say_http, args=(listener,))
        answer.start()

        with pytest.raises(ConnectionLostError, match="or is not an SSH server"):
            list_folder(settings)

        answer.join()
