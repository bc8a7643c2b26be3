"""A small district as Clever would send it, and a source that reads it.

Belongs here: synthetic objects of v3 and v2, a clock that does not wait, short ways to
a pull. Not here: checks.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path
from typing import Any

from d118_pipelines.sources.clever.source import CleverSource
from d118_pipelines.sources.pull import Pull, run_pull
from d118_pipelines_tests.support.clever_server import CleverServer

Record = dict[str, Any]
Data = dict[str, list[Record]]
SCHOOL_YEAR = (dt.date(2026, 7, 1), dt.date(2027, 6, 30))
NOW = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)
KINDS = ["district", "school", "term", "course", "section"]
KINDS += ["student", "teacher", "staff", "contact"]


def clever_id(kind: str, number: int = 1) -> str:
    """24 hexadecimal characters."""
    return f"63c0a1f0a1b2c3d4e5{KINDS.index(kind):01x}{number:05x}"


DISTRICT = clever_id("district")
SCHOOL = clever_id("school")


class NoWaiting:
    """A clock that notes what it was asked to wait, and is there at once."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.waits)

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=sum(self.waits))

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def person(kind: str, number: int, roles: Record, **more: Any) -> Record:
    """A user of v3."""
    return {
        "id": clever_id(kind, number),
        "district": DISTRICT,
        "email": f"{kind}{number}@school.example",
        "name": {"first": f"First{number}", "middle": "", "last": f"Last{number}"},
        "last_modified": "2026-10-02T08:30:12.000Z",
        "roles": roles,
        **more,
    }


def student(number: int, **role: Any) -> Record:
    """A student of the school; `role` adds to the role."""
    own = {"sis_id": f"S{number}", "student_number": f"2{number:05}", "grade": "9"}
    at = {"school": SCHOOL, "schools": [SCHOOL]}
    return person("student", number, {"student": {**own, **at, **role}})


def teacher(number: int, **roles: Any) -> Record:
    """A teacher of the school; `roles` adds other roles."""
    own = {"sis_id": f"T{number}", "teacher_number": f"N{number}"}
    at = {"school": SCHOOL, "schools": [SCHOOL]}
    return person("teacher", number, {"teacher": {**own, **at}, **roles})


def section(number: int, **more: Any) -> Record:
    """A section of the first course and term, with one teacher and one student."""
    return {
        "id": clever_id("section", number),
        "district": DISTRICT,
        "school": SCHOOL,
        "name": f"Algebra I - Last1 - {number}",
        "section_number": str(number),
        "period": "3",
        "grade": "9",
        "subject": "math",
        "course": clever_id("course"),
        "term_id": clever_id("term"),
        "teacher": clever_id("teacher"),
        "teachers": [clever_id("teacher")],
        "students": [clever_id("student")],
        **more,
    }


def small_district(students: int = 3, teachers: int = 2) -> Data:
    """One school, one term, one course, one section."""
    own = {"district": DISTRICT}
    dates = {"start_date": "2026-08-17", "end_date": "2027-01-15"}
    return {
        "districts": [{"id": DISTRICT, "name": "Example District", "state": "running"}],
        "schools": [{"id": SCHOOL, "name": "Example High", "sis_id": "5", **own}],
        "terms": [{"id": clever_id("term"), "name": "S1", **own, **dates}],
        "courses": [{"id": clever_id("course"), "name": "Algebra I", **own}],
        "users": [
            *(student(n + 1) for n in range(students)),
            *(teacher(n + 1) for n in range(teachers)),
        ],
        "sections": [section(1)],
    }


def as_v2(data: Data) -> Data:
    """The same district as v2 has it: flat objects, one list for each role."""
    flat: Data = {"students": [], "teachers": [], "school_admins": []}
    lists = {"student": "students", "teacher": "teachers", "staff": "school_admins"}
    for user in data["users"]:
        for role, own in user["roles"].items():
            shared = {k: v for k, v in user.items() if k != "roles"}
            flat[lists[role]].append({**own, **shared})
    rest = {name: rows for name, rows in data.items() if name != "users"}
    return {**rest, **flat}


def source_of(server: CleverServer, **options: Any) -> CleverSource:
    """A source for the server, with a token unless the options say otherwise."""
    if "client_id" not in options:
        options.setdefault("access_token", server.token)
    return CleverSource(
        district_id=DISTRICT,
        base_url=server.host,
        token_url=f"{server.host}/oauth/tokens",
        school_year=SCHOOL_YEAR,
        **{"clock": NoWaiting(), "rate_limit": 0.0, **options},
    )


def pull_of(source: CleverSource, folder: Path, **options: Any) -> Pull:
    """A stored pull."""
    return run_pull(
        source, folder, provider="clever", run_id="a" * 32, now=NOW, **options
    )


def records(pull: Pull, collection: str) -> list[Record]:
    """The objects of one collection as they were stored."""
    import pyarrow.parquet as pq

    table = pq.read_table(pull.rows_file(collection))
    return [json.loads(text) for text in table["record"].to_pylist()]
