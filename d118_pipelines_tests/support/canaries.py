"""Marks in every personal field and every secret, and the search for them afterwards.

Belongs here: the marks, where they may stand, reading every byte of a project. Not
here: the runs.
"""

from __future__ import annotations

import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder

PERSON = "Zqperson"
SECRET = "canary-"
"""Account and password of the test server begin so as well."""
FIELDS = [
    "first_name",
    "middle_name",
    "last_name",
    "home_phone",
    "street",
    "city",
    "state",
    "zip",
    "dob",
    "gender",
    "legal_first_name",
    "legal_last_name",
    "personal_email",
    "calendar",
    "sfe_position",
    "start_time",
    "end_time",
    "am_time",
    "pm_time",
]
STATE_FILES = {"d118.sqlite", "d118.sqlite-wal", "d118.sqlite-shm"}
FOR_KEYS_ONLY = {"plan.parquet", "outcome.parquet"}

Text = tuple[str, bytes]


def marked(dcid: int, **changes: object) -> Person:
    """A person whose every personal value is a mark; keys and numbers are as usual."""
    values = {name: f"{PERSON} {name}" for name in FIELDS}
    values["email_addr"] = f"{PERSON}{{dcid}}@d118.example"
    return Person(dcid, **{**values, **changes})  # type: ignore[arg-type]


def people_in_wrong_places(project: ProjectFolder) -> list[str]:
    """Where a person's value stands beside extracts, exports, inbox, outbox and `last_line`."""
    return [
        place
        for place, data in everything(project)
        if not _is_for_people(place) and PERSON.lower().encode() in data.lower()
    ]


def secrets_in_any_place(project: ProjectFolder) -> list[str]:
    """Where a secret stands, or a line of the private key beside its own file."""
    marks = [SECRET.encode()]
    key = project.root / "private.pem"
    if key.is_file():
        marks.append(key.read_bytes().splitlines()[1].lower())
    return [
        place
        for place, data in everything(project)
        if place != "private.pem" and any(mark in data.lower() for mark in marks)
    ]


def everything(project: ProjectFolder) -> Iterator[Text]:
    """Place and bytes of all that is in the project's folder, unpacked where packed."""
    for path in sorted(project.root.rglob("*")):
        place = str(path.relative_to(project.root))
        yield f"the name {place}", place.encode()
        if not path.is_file() or path.name in STATE_FILES:
            continue
        data = path.read_bytes()
        yield place, data
        if data.startswith(b"SQLite format 3"):
            yield from _unpacked(path, place)
        if path.name in FOR_KEYS_ONLY:
            yield f"{place}, read", _rows(path)
    if (project.home / "d118.sqlite").is_file():
        yield "d118.sqlite but last_line", _state_without_lines(project)


def _is_for_people(place: str) -> bool:
    name = Path(place).name
    if place.startswith(("tables/", "var/outbox/", "var/raw/", "var/inbox/")):
        return name != "manifest.json"
    return place.startswith("var/exports/") and (
        name != "manifest.json" and name not in FOR_KEYS_ONLY
    )


def _unpacked(path: Path, place: str) -> Iterator[Text]:
    """Dagster keeps some of its rows compressed."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        for (table,) in tables.fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    if isinstance(value, bytes):
                        with suppress(zlib.error):
                            yield f"{place}, {table}", zlib.decompress(value)


def _rows(path: Path) -> bytes:
    import pyarrow.parquet as pq

    return str(pq.read_table(path).to_pylist()).encode()


def _state_without_lines(project: ProjectFolder) -> bytes:
    """The state database's bytes, with the one column blanked that may hold a line."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sqlite"
        with (
            closing(sqlite3.connect(project.home / "d118.sqlite")) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("UPDATE delivery_ledger SET last_line = NULL")
            target.commit()
            target.execute("VACUUM")
        return copy.read_bytes()
