"""Days of one target at a real server, from which the fault tests begin.

Belongs here: the people of each day, the prepared states, what an undisturbed run
leaves, a vendor who imports. Not here: faults.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from d118_pipelines_tests.support.district import TWO_SCHEDULES, Person
from d118_pipelines_tests.support.server_sync import Files, Line, ServerSync
from d118_pipelines_tests.support.sshd import Sshd

SEED = 4012
"""Of the first day's people, those up to here are known to SmartFind already."""
_STAFF = {dcid: Person(dcid) for dcid in range(4001, 4025)}
FIRST_DAY = {
    **_STAFF,
    4020: Person(4020, homeschoolid=500),
    4021: Person(4021, **TWO_SCHEDULES),
}
SECOND_DAY = {
    **{dcid: person for dcid, person in FIRST_DAY.items() if dcid != 4005},
    4002: replace(_STAFF[4002], home_phone="847-555-0199"),
    4003: Person(4003, **TWO_SCHEDULES),
    4004: replace(_STAFF[4004], status=2),
    4100: Person(4100),
    4101: Person(4101, homeschoolid=500),
}
THIRD_DAY = {**SECOND_DAY, 4102: Person(4102)}


class Days:
    """Prepared states; copy them with `begin`, which also sets the server's folder.

    new: exported on the first day, never delivered. morning: delivered on the first
    day, the second day's people are there. exported: the same, extracted and exported.
    right_files, right_ledger: what an undisturbed delivery of either state leaves.
    """

    def __init__(self, base: Path, target: str, server: Sshd, line: Line) -> None:
        self.line = line
        self._base = base
        self._copies = 0
        self.new = ServerSync(
            base / "new", target, FIRST_DAY.values(), server=server, port=line.port
        )
        self.new.put_on_server({})
        if target == "smartfind":
            self.new.seed(SEED)
        self.new.export()
        self._old: dict[str, Files] = {"new": {}}
        self.right_files: dict[str, Files] = {}
        self.right_ledger: dict[str, list[dict[str, Any]]] = {}
        self.seen: dict[str, int] = {}
        self.morning = self._undisturbed("new")
        self.morning.next_day()
        self.morning.set_people(SECOND_DAY.values())
        self.exported = self.morning.copied(base / "exported")
        self.exported.export()
        for state in ("morning", "exported"):
            self._old[state] = self.right_files["new"]
        self._undisturbed("exported")
        for results in (self.right_files, self.right_ledger):
            results["morning"] = results["exported"]  # type: ignore[assignment]

    def begin(self, folder: Path, state: str) -> ServerSync:
        """A copy of a prepared state; the server has what it had then."""
        self.line.limit = None
        source: ServerSync = getattr(self, state)
        sync = source.copied(folder)
        sync.put_on_server(self._old[state])
        return sync

    def _undisturbed(self, state: str) -> ServerSync:
        sync = self.begin(self._base / f"undisturbed_{state}", state)

        def note(call: str) -> None:
            self.seen[call] = self.line.bytes_from_client

        sync.deliver(note)
        self.right_files[state] = sync.on_server()
        self.right_ledger[state] = sync.ledger_facts()
        return sync


class Vendor:
    """SmartFind Express as its page describes it; `faults` lists what it could not do.

    It imports once a day, from the oldest to the newest file, and adds nobody twice.
    """

    def __init__(self) -> None:
        known = [str(dcid) for dcid in FIRST_DAY if dcid <= SEED]
        self.known = {("P", n) for n in known} | {("W", n) for n in known}
        self.known |= {("E", f"{n}/1") for n in known}
        self.faults: list[str] = []

    def imports(self, files: Files) -> None:
        """Import what lies on the server."""
        by_age = sorted(files.values(), key=lambda found: found[1])
        for data, _ in by_age:
            for text in data.decode("utf-8").splitlines():
                self._take(text.split("|"))

    def _take(self, fields: list[str]) -> None:
        kind, command = fields[:2]
        access = fields[4] if kind == "W" else fields[3]
        record = (kind, f"{access}/{fields[4]}" if kind == "E" else access)
        if (command == "A") == (record in self.known):
            self.faults.append(f"{command} {record}")
        if kind != "P" and ("P", access) not in self.known:
            self.faults.append(f"no profile for {record}")
        self.known.add(record)
