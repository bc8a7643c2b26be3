"""A sync whose delivery fails leaves all as it was; after a repair the next one is right.

From the tables to the ledger, against a real server. What the delivery room does by
itself in each of these cases is tested in `delivery/`.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import (
    AuthenticationError,
    ConnectionLostError,
    D118Error,
    DestinationError,
    HostKeyError,
    TimeLimitError,
)
from d118_pipelines_tests.faults.days import Days
from d118_pipelines_tests.support.server_sync import ServerSync
from d118_pipelines_tests.support.sshd import (
    PASSWORD,
    can_isolate,
    processes_below,
    require_isolation,
)

pytestmark = pytest.mark.real

Broken = AbstractContextManager[dict[str, Any]]
TARGETS = ("smartfind", "hr_records")
WRONG = "canary-wrong-password"


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and the error that a run ends with.

    broken: a context in which it is wrong; gives what `deliver` is to be called with.
    """

    error: type[D118Error]
    broken: Callable[[ServerSync, Days], Broken]


@contextmanager
def unknown_host_key(sync: ServerSync, days: Days) -> Iterator[dict[str, Any]]:
    sync.trust("")
    try:
        yield {}
    finally:
        sync.trust("host_ed25519")


@contextmanager
def changed_host_key(sync: ServerSync, days: Days) -> Iterator[dict[str, Any]]:
    sync.trust("other_ed25519")
    try:
        yield {}
    finally:
        sync.trust("host_ed25519")


@contextmanager
def refused_login(sync: ServerSync, days: Days) -> Iterator[dict[str, Any]]:
    """A key that the server does not know; for HR Records a wrong password."""
    right = dict(sync.environment)
    sync.environment |= {n: WRONG for n in right if n.endswith("PASSWORD")}
    sync.use_key("other_ed25519")
    try:
        yield {}
    finally:
        sync.environment = right
        sync.use_key("login")


@contextmanager
def missing_folder(sync: ServerSync, days: Days) -> Iterator[dict[str, Any]]:
    aside = sync.inbound.with_name("aside")
    sync.inbound.rename(aside)
    try:
        yield {}
    finally:
        aside.rename(sync.inbound)


@contextmanager
def read_only_folder(sync: ServerSync, days: Days) -> Iterator[dict[str, Any]]:
    remount(sync, "ro")
    try:
        yield {}
    finally:
        remount(sync, "rw")


def remount(sync: ServerSync, how: str) -> None:
    """Make the server's folder writable or not, for root too where it is a disk."""
    folder = sync.server.folder
    if can_isolate():
        pid = str(sync.server.process.pid)
        inside = "/" + str(folder.relative_to(f"/proc/{pid}/root"))
        enter = ["nsenter", "--mount", f"--target={pid}"]
        subprocess.run([*enter, "mount", "-o", f"remount,{how}", inside], check=True)
    else:
        folder.chmod(0o555 if how == "ro" else 0o755)


@contextmanager
def full_disk(sync: ServerSync, days: Days) -> Iterator[dict[str, Any]]:
    require_isolation("a full disk")
    filler = sync.server.folder / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", 0) as file:
        while True:
            file.write(bytes(4096))
    try:
        yield {}
    finally:
        filler.unlink()


@contextmanager
def frozen_server(sync: ServerSync, days: Days) -> Iterator[dict[str, Any]]:
    """From the second upload on the server does nothing any more, nor for new ones."""
    pids = [sync.server.process.pid]

    def freeze(call: str) -> None:
        if call == "put 2":
            pids.extend(processes_below(pids[0]))
            send(signal.SIGSTOP, pids)

    limits = {"connect_timeout_seconds": 1.0, "channel_timeout_seconds": 1.0}
    try:
        yield {"after": freeze, "limits": limits}
    finally:
        send(signal.SIGCONT, pids)


def send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, number)


def cut(place: Callable[[dict[str, int]], int]) -> Callable[[ServerSync, Days], Broken]:
    """Every connection breaks at this byte from the client."""

    @contextmanager
    def broken(sync: ServerSync, days: Days) -> Iterator[dict[str, Any]]:
        days.line.limit = place(days.seen)
        try:
            yield {}
        finally:
            days.line.limit = None

    return broken


def within(earlier: str, later: str) -> Callable[[dict[str, int]], int]:
    """The byte half-way between two calls."""
    return lambda seen: (seen[earlier] + seen[later]) // 2


FAULTS = {
    "unknown host key": Fault(HostKeyError, unknown_host_key),
    "changed host key": Fault(HostKeyError, changed_host_key),
    "refused login": Fault(AuthenticationError, refused_login),
    "missing folder": Fault(DestinationError, missing_folder),
    "read-only folder": Fault(DestinationError, read_only_folder),
    "full disk": Fault(DestinationError, full_disk),
    "frozen server": Fault(TimeLimitError, frozen_server),
    "cut at once": Fault(ConnectionLostError, cut(lambda seen: 0)),
    "cut in the login": Fault(ConnectionLostError, cut(lambda s: s["enter"] - 500)),
    "cut in upload 1": Fault(ConnectionLostError, cut(within("enter", "put 1"))),
    "cut after upload 1": Fault(ConnectionLostError, cut(lambda s: s["put 1"])),
    "cut in upload 2": Fault(ConnectionLostError, cut(within("put 1", "put 2"))),
    "cut after upload 2": Fault(ConnectionLostError, cut(lambda s: s["put 2"])),
}
ONLY_SMARTFIND = {
    "cut in upload 3": Fault(ConnectionLostError, cut(within("put 2", "put 3"))),
    "cut after upload 3": Fault(ConnectionLostError, cut(lambda s: s["put 3"])),
}
CASES = [
    *(("smartfind", "exported", name) for name in [*FAULTS, *ONLY_SMARTFIND]),
    *(("hr_records", "exported", name) for name in FAULTS),
    ("smartfind", "new", "cut in upload 3"),
    ("smartfind", "new", "refused login"),
    ("hr_records", "new", "refused login"),
]


@pytest.mark.long
@pytest.mark.parametrize(("target", "state", "fault"), CASES)
def test_failed_delivery_changes_nothing_and_the_next_run_is_as_if_it_never_was(
    days: Days, tmp_path: Path, target: str, state: str, fault: str
) -> None:
    sync = days.begin(tmp_path / "sync", state)
    kept, old = sync.kept(), sync.final_on_server()
    wrong = {**FAULTS, **ONLY_SMARTFIND}[fault]

    with wrong.broken(sync, days) as settings, pytest.raises(wrong.error) as caught:
        sync.deliver(**settings)

    assert sync.final_on_server() == old
    assert sync.kept() == kept
    last = sync.deliveries()[-1]
    assert (last["status"], last["error"]) == ("failed", caught.value.what)
    for secret in (WRONG, PASSWORD, sync.server.account):
        assert secret not in str(caught.value)
    sync.now = sync.now.replace(minute=30)
    sync.run()
    expected = {name: data for name, (data, _) in days.right_files[state].items()}
    found = sync.on_server()
    assert {name: data for name, (data, _) in found.items()} == expected
    if target == "smartfind":
        times = [found[name][1] for name in sync.names]
        assert times == sorted(set(times))
    assert sync.ledger_facts() == days.right_ledger[state]
