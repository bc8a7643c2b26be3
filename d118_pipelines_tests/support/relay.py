"""A TCP relay on loopback that breaks connections at a chosen byte.

Belongs here: forwarding, cutting, freezing, counting. Not here: what flows through.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Self


class Relay:
    """Forwards connections to a port of 127.0.0.1; `with` starts and ends it.

    limits: for each connection in turn, after how many bytes from the client it
    breaks; None, or no more limits, for never. freeze: a broken connection stays open
    and silent, instead of being closed.
    """

    def __init__(
        self, port: int, limits: Iterable[int | None] = (), *, freeze: bool = False
    ) -> None:
        self._target = ("127.0.0.1", port)
        self._limits: Iterator[int | None] = iter(limits)
        self._freeze = freeze
        self._refuse = False
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self.connections = 0
        self.bytes_from_client = 0
        """Of the newest connection."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        _close(self._listener)
        self.cut()
        for thread in list(self._threads):
            thread.join()

    def cut(self) -> None:
        """Close all connections now."""
        for sock in list(self._sockets):
            _close(sock)

    def cut_for_good(self) -> None:
        """Close all connections now, and every later one as soon as it is made."""
        self._refuse = True
        self.cut()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.bytes_from_client = 0
            limit = next(self._limits, None)
            if self._refuse or (limit == 0 and not self._freeze):
                _close(client)
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                _close(client)
                continue
            self._sockets += [client, server]
            broken = threading.Event()
            self._start(self._pump_up, client, server, limit, broken)
            self._start(self._pump_down, server, client, broken)

    def _pump_up(
        self,
        client: socket.socket,
        server: socket.socket,
        limit: int | None,
        broken: threading.Event,
    ) -> None:
        """Client to server, counting, until the limit."""
        passed = 0
        with suppress(OSError):
            while limit is None or passed < limit:
                most = 65536 if limit is None else min(65536, limit - passed)
                data = client.recv(most)
                if not data:
                    break
                passed += len(data)
                self.bytes_from_client = passed
                server.sendall(data)
            if limit is not None and passed >= limit:
                broken.set()
                if self._freeze:
                    self._closed.wait()
        _close(client)
        _close(server)

    def _pump_down(
        self, server: socket.socket, client: socket.socket, broken: threading.Event
    ) -> None:
        """Server to client, until the connection breaks."""
        with suppress(OSError):
            while data := server.recv(65536):
                if broken.is_set():
                    self._closed.wait(None if self._freeze else 0)
                    break
                client.sendall(data)
        if not broken.is_set():
            _close(client)
            _close(server)


def _close(sock: socket.socket) -> None:
    """Close a socket and wake whoever waits for it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
