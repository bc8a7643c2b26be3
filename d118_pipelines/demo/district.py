"""A made-up district as a folder of PowerSchool tables, for trials without a database.

Called by `workflows/providers/powerschool_source.py` on first use. Staff are in
`staff.py` and `cases.py`; what follows the school year is in `students.py` and
`classes.py`. The same seed and school year give the same bytes.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from d118_pipelines.demo import classes as demo_classes
from d118_pipelines.demo import courses as demo_courses
from d118_pipelines.demo import students as demo_students
from d118_pipelines.demo.cases import ghosts, people_with_findings
from d118_pipelines.demo.staff import (
    NEWEST_DCID,
    Person,
    Row,
    ordinary_staff,
    person,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.sources.powerschool.embedded import DEMONSTRATION_MARKER

STAFF_WITH_EMAIL = 620
ACCOUNTS_WITHOUT_EMAIL = 40
WATERMARK_FILE = "NewestDCID.txt"
_MARKER_TEXT = """\
Everybody in this folder is made up. As long as this file is here, nothing that is made
from these tables is sent to a configured address.
"""

Tables = dict[str, list[Row]]


def make_demo_district(folder: Path, *, today: dt.date, seed: int = 118) -> None:
    """Write the demonstration district into `folder`, replacing an earlier one.

    The folder appears at once and complete. Raises: ConfigurationError if it holds
    anything that is not a demonstration district.
    """
    write_district(folder, district_tables(seed, today))


def district_tables(seed: int, today: dt.date) -> Tables:
    """Return table name -> rows: staff of every day, students and classes of today."""
    students = list(demo_students.students(seed, today))
    tables = {
        "schools": demo_students.buildings(),
        "terms": demo_students.terms(today),
        "students": students,
        **demo_students.extension_tables(seed, students),
        **staff_tables(_staff(random.Random(f"{seed}:staff"))),
        "courses": demo_courses.courses(),
        "roledef": demo_courses.roles(),
    }
    year = school_year(seed, today, tables)
    demo_classes.fill(year, students)
    classes = {"sections": year.sections, "sectionteacher": year.sectionteacher}
    return {**tables, **classes, "cc": year.cc}


def school_year(seed: int, today: dt.date, tables: Tables) -> demo_classes.SchoolYear:
    """Return today's school year without classes, with the terms and staff of tables."""
    yearid = demo_students.start_year(today) - 1990
    staff = tables["schoolstaff"], tables["users"]
    return demo_classes.school_year(seed, yearid, tables["terms"], *staff)


def _staff(rng: random.Random) -> list[Person]:
    """Return everybody in ascending DCID."""
    cases = people_with_findings(rng)
    count = STAFF_WITH_EMAIL - len(cases) - 4  # four ghosts have an e-mail address
    ordinary = ordinary_staff(rng, count)
    taken = {one.user["dcid"] for one in [*cases, *ordinary]}
    free = [n for n in range(1001, 7000) if n not in taken]
    silent = [
        _without_email(rng, dcid) for dcid in rng.sample(free, ACCOUNTS_WITHOUT_EMAIL)
    ]
    everybody = [*cases, *ordinary, *ghosts(ordinary), *silent]
    return sorted(everybody, key=lambda one: int(one.user["dcid"]))


def _without_email(rng: random.Random, dcid: int) -> Person:
    """Return a coach or volunteer who has no e-mail address."""
    one = person(rng, dcid, ("Coach", f"Volunteer {dcid}"), "", 5)
    one.user |= {"email_addr": None, "teachernumber": None, "title": "Coach"}
    one.hr = None
    return one


def staff_tables(staff: Sequence[Person], first: int = 1) -> Tables:
    """Return the five tables of staff; `first` numbers the rows of SCHOOLSTAFF."""
    placements = [
        {"users_dcid": one.user["dcid"], **row}
        for one in staff
        for row in one.placements
    ]
    for number, row in enumerate(placements, start=first):
        row |= {"dcid": 20_000 + number, "id": number}
    parts = {
        "userscorefields": [(one, one.core) for one in staff],
        "s_il_usr_x": [(one, one.legal) for one in staff],
        "u_humanresources": [(one, one.hr) for one in staff],
    }
    return {
        "users": [one.user for one in staff],
        "schoolstaff": placements,
        **{
            name: [{"usersdcid": one.user["dcid"], **row} for one, row in pairs if row]
            for name, pairs in parts.items()
        },
    }


def write_district(folder: Path, tables: Mapping[str, list[Row]]) -> None:
    """Write tables, marker and watermark as `make_demo_district` says."""
    _refuse_other_data(folder)
    with scratch_folder(folder.parent) as scratch:
        new = scratch / folder.name
        new.mkdir(mode=0o700)
        for name, rows in tables.items():
            _write_table(new / f"{name}.csv", rows)
        (new / DEMONSTRATION_MARKER).write_text(_MARKER_TEXT, encoding="utf-8")
        (new / WATERMARK_FILE).write_text(f"{NEWEST_DCID}\n", encoding="utf-8")
        for path in new.iterdir():
            path.chmod(0o600)
        try:
            with contextlib.suppress(FileNotFoundError):
                folder.rename(scratch / "old")
            new.rename(folder)
        except OSError:
            # Another process may have put its own copy there in this moment.
            if not (folder / DEMONSTRATION_MARKER).is_file():
                raise


def _refuse_other_data(folder: Path) -> None:
    if not folder.exists() or (folder / DEMONSTRATION_MARKER).is_file():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    raise ConfigurationError(
        "The folder for the demonstration district has other files in it.",
        where=str(folder),
        rule=f"only a folder with {DEMONSTRATION_MARKER} is replaced",
        not_done="Nothing was written or deleted.",
        next_step="Choose another folder, or empty this one.",
    )


def _write_table(path: Path, rows: list[Row]) -> None:
    header = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([row.get(column) for column in header] for row in rows)
