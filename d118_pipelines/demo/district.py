"""A made-up district as a folder of PowerSchool tables, for trials without a database.

Belongs here: putting the tables together and writing the folder. Not here: the people
(`staff.py`, `cases.py`) and what follows the school year (`students.py`,
`student_records.py`, `classes.py`).

The same seed and school year give the same bytes. Terms, students and classes follow
the school year; the staff is the same on every day.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import random
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.demo import classes as demo_classes
from d118_pipelines.demo import courses as demo_courses
from d118_pipelines.demo import student_records
from d118_pipelines.demo import students as demo_students
from d118_pipelines.demo.cases import awkward_people, ghosts
from d118_pipelines.demo.class_cases import awkward_classes
from d118_pipelines.demo.staff import (
    NEWEST_DCID,
    Person,
    Row,
    ordinary_staff,
    person,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.sources.powerschool.embedded import DEMONSTRATION_MARKER

STAFF_WITH_EMAIL = 620
ACCOUNTS_WITHOUT_EMAIL = 40
WATERMARK_FILE = "NewestDCID.txt"
_MARKER_TEXT = """\
Everybody in this folder is made up. As long as this file is here, nothing that is made
from these tables is sent to a configured address.
"""


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What was written: rows per table, and the school year as `2025-26`."""

    folder: Path
    school_year: str
    rows: Mapping[str, int]
    staff_with_email: int
    newest_dcid: int


def make_demo_district(folder: Path, *, today: dt.date, seed: int = 118) -> DemoSummary:
    """Write the demonstration district into `folder`, replacing an earlier one.

    The folder appears at once and complete. Raises: ConfigurationError if it holds
    anything that is not a demonstration district.
    """
    _refuse_other_data(folder)
    staff = _staff(random.Random(f"{seed}:staff"))
    students = list(demo_students.students(seed, today))
    student_records.add_awkward_students(students)
    tables = {
        "prefs": list(demo_students.preferences()),
        "schools": list(demo_students.buildings()),
        "terms": _terms(today),
        "students": students,
        **student_records.extension_tables(seed, students),
        **_staff_tables(staff),
    }
    tables |= _class_tables(seed, today, tables)
    texts = {DEMONSTRATION_MARKER: _MARKER_TEXT, WATERMARK_FILE: f"{NEWEST_DCID}\n"}
    _write_folder(folder, tables, texts)
    start = demo_students.start_year(today)
    return DemoSummary(
        folder,
        school_year=f"{start}-{(start + 1) % 100:02}",
        rows={name: len(rows) for name, rows in sorted(tables.items())},
        staff_with_email=sum(bool(one.user.get("email_addr")) for one in staff),
        newest_dcid=NEWEST_DCID,
    )


def _terms(today: dt.date) -> list[Row]:
    year = list(demo_students.terms(today))
    return [*year, *demo_students.other_terms(today, len(year) + 1)]


def _class_tables(
    seed: int, today: dt.date, tables: Mapping[str, list[Row]]
) -> dict[str, list[Row]]:
    """Return courses, sections, their teachers and enrollments."""
    yearid = demo_students.start_year(today) - 1990
    placements = tables["schoolstaff"]
    year = demo_classes.school_year(
        seed, yearid, tables["terms"], placements, tables["users"]
    )
    demo_classes.fill(year, tables["students"])
    awkward_classes(year, tables["students"], placements)
    return {
        "courses": demo_courses.courses(),
        "roledef": demo_courses.roles(),
        "sections": year.sections,
        "sectionteacher": year.sectionteacher,
        "cc": year.cc,
    }


def _staff(rng: random.Random) -> list[Person]:
    """Return everybody in ascending DCID."""
    awkward = awkward_people(rng)
    count = STAFF_WITH_EMAIL - len(awkward) - 4  # four ghosts have an e-mail address
    ordinary = ordinary_staff(rng, count)
    taken = {one.user["dcid"] for one in ordinary}
    free = [n for n in range(1001, 7000) if n not in taken]
    silent = [
        _without_email(rng, dcid)
        for dcid in sorted(rng.sample(free, ACCOUNTS_WITHOUT_EMAIL))
    ]
    everybody = [*awkward, *ordinary, *ghosts(ordinary), *silent]
    return sorted(everybody, key=lambda one: int(one.user["dcid"] or 0))


def _without_email(rng: random.Random, dcid: int) -> Person:
    """Return a coach or volunteer who has no e-mail address."""
    one = person(rng, dcid, ("Coach", f"Volunteer {dcid}"), "", 5)
    one.user |= {"email_addr": None, "teachernumber": None, "title": "Coach"}
    one.hr = None
    return one


def _staff_tables(staff: list[Person]) -> dict[str, list[Row]]:
    return {
        "users": [one.user for one in staff],
        "schoolstaff": list(_placements(staff)),
        "userscorefields": _companions((one, one.core) for one in staff),
        "s_il_usr_x": _companions((one, one.legal) for one in staff),
        "u_humanresources": _companions((one, one.hr) for one in staff),
    }


def _placements(staff: list[Person]) -> Iterator[Row]:
    rows = ((one, row) for one in staff for row in one.placements)
    for number, (one, row) in enumerate(rows, start=1):
        ids: Row = {"dcid": 20_000 + number, "id": number}
        yield {**ids, "users_dcid": one.user["dcid"], **row}


def _companions(pairs: Iterable[tuple[Person, Row | None]]) -> list[Row]:
    return [{"usersdcid": one.user["dcid"], **row} for one, row in pairs if row]


def _refuse_other_data(folder: Path) -> None:
    if not folder.exists() or (folder / DEMONSTRATION_MARKER).is_file():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    raise ConfigurationError(
        "The folder for the demonstration district holds something else.",
        where=str(folder),
        rule=f"only a folder with {DEMONSTRATION_MARKER} is replaced",
        not_done="Nothing was written or deleted.",
        next_step="Choose another folder, or empty this one.",
    )


def _write_folder(
    folder: Path, tables: Mapping[str, list[Row]], texts: Mapping[str, str]
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    new = folder.with_name(f".{folder.name}.{token}.new")
    old = folder.with_name(f".{folder.name}.{token}.old")
    try:
        new.mkdir(mode=0o700)
        for name, rows in tables.items():
            _write_table(new / f"{name}.csv", rows)
        for name, text in texts.items():
            (new / name).write_text(text, encoding="utf-8", newline="\n")
        for path in new.iterdir():
            path.chmod(0o600)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(old)
        new.rename(folder)
    except OSError:
        # Another process may have put its own copy there in this moment.
        if not (folder / DEMONSTRATION_MARKER).is_file():
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _write_table(path: Path, rows: list[Row]) -> None:
    header = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([row.get(column) for column in header] for row in rows)
