"""The relay forwards, cuts at the byte it was told, and freezes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from d118_pipelines_tests.support.relay import Relay


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets, one connection after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def talk(port: int, data: bytes) -> bytes:
    """Send, and return all that comes back until the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(data)
        answer = b""
        while len(answer) < len(data):
            part = client.recv(4096)
            if not part:
                break
            answer += part
        return answer


def test_relay_forwards_and_counts(echo_port: int) -> None:
    with Relay(echo_port) as relay:
        assert talk(relay.port, b"ten bytes!") == b"ten bytes!"
        assert relay.bytes_from_client == 10


def test_relay_cuts_the_first_connection_and_lets_the_second_through(
    echo_port: int,
) -> None:
    with Relay(echo_port, [0]) as relay:
        with (
            pytest.raises(OSError),
            socket.create_connection(("127.0.0.1", relay.port), timeout=5) as client,
        ):
            while True:
                client.sendall(b"x")
                if not client.recv(1):
                    raise ConnectionResetError
        assert talk(relay.port, b"ten bytes!") == b"ten bytes!"
        assert relay.connections == 2


def test_relay_passes_on_exactly_the_bytes_before_the_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            Relay(port, [4]) as relay,
            socket.create_connection(("127.0.0.1", relay.port), timeout=5) as client,
        ):
            connection, _ = server.accept()
            client.sendall(b"ten bytes!")
            with connection:
                connection.settimeout(5)
                got = b""
                while data := connection.recv(100):
                    got += data
    assert got == b"ten "


def test_frozen_relay_stays_open_and_silent(echo_port: int) -> None:
    with (
        Relay(echo_port, [4], freeze=True) as relay,
        socket.create_connection(("127.0.0.1", relay.port), timeout=0.3) as client,
    ):
        client.sendall(b"ten bytes!")
        with pytest.raises(TimeoutError):
            while client.recv(100):
                pass


def test_cut_for_good_ends_this_and_every_later_connection(echo_port: int) -> None:
    with Relay(echo_port) as relay:
        assert talk(relay.port, b"a") == b"a"
        relay.cut_for_good()
        with pytest.raises(OSError):
            if talk(relay.port, b"a") == b"":
                raise ConnectionResetError
