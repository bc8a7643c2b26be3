"""A small made-up district: people, and the CSV tables that PowerSchool would export.

Belongs here: the people of tests and how they stand in the tables. Not here: running a
sync over them (`sync.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, object]

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
LETTERS = "MTWHF"
SUBSTITUTES = 500
ONBOARDING = 2

USERS = [
    "dcid",
    "first_name",
    "middle_name",
    "last_name",
    "homeschoolid",
    "teachernumber",
    "email_addr",
    "home_phone",
    "street",
    "city",
    "state",
    "zip",
]
CORE = ("dob", "gender")
LEGAL = ("legal_first_name", "legal_last_name")
TIMES = [
    "start_time",
    "end_time",
    "am_time",
    "pm_time",
    "start_time_2",
    "end_time_2",
    "am_time_2",
    "pm_time_2",
]
HR = ("personal_email", "calendar", "contractemp", "sfe_position", "custom_times")
BOXES = [f"time{schedule}_{day}" for schedule in (1, 2) for day in DAYS]
COLUMNS = {
    "users": list(USERS),
    "schoolstaff": ["dcid", "id", "users_dcid", "schoolid", "status", "staffstatus"],
    "userscorefields": ["usersdcid", *CORE],
    "s_il_usr_x": ["usersdcid", *LEGAL],
    "u_humanresources": ["usersdcid", *HR, *TIMES, *BOXES],
}
# Tables of the roster's and Clever's queries: there, but without rows.
ROSTER_KEYS = {
    **dict.fromkeys(("schools", "terms", "courses", "students", "cc"), "dcid"),
    **dict.fromkeys(("sections", "sectionteacher", "roledef"), "id"),
    **dict.fromkeys(
        ("u_def_ext_students0", "s_il_stu_x", "s_il_stu_plan504_x", "s_stu_crdc_x"),
        "studentsdcid",
    ),
}


@dataclass(frozen=True)
class Person:
    """One person and the rows of the five tables; the defaults are a clean teacher.

    `{dcid}` in number and e-mail becomes the DCID. elsewhere: status per further
    building. days_1 and days_2: letters of the ticked days, M T W H F. hr: further
    values of U_HUMANRESOURCES, by column. has_hr, has_home_row: whether there is a row.
    """

    dcid: int
    first_name: str | None = "Ana"
    last_name: str | None = "Ruiz"
    teachernumber: str | None = "{dcid}"
    email_addr: str | None = "p{dcid}@d118.example"
    homeschoolid: int | None = 5
    status: int | None = 1
    staffstatus: int | None = 1
    elsewhere: Mapping[int, int] = field(default_factory=dict)
    has_home_row: bool = True
    middle_name: str | None = None
    home_phone: str | None = "847-555-0100"
    street: str | None = "12 Main St"
    city: str | None = "Wauconda"
    state: str | None = "IL"
    zip: str | None = "60084"
    dob: str | None = "03/14/1985"
    gender: str | None = "F"
    legal_first_name: str | None = None
    legal_last_name: str | None = None
    has_hr: bool = True
    personal_email: str | None = None
    calendar: str | None = "100"
    contractemp: str | None = None
    sfe_position: str | None = "TCH"
    custom_times: str | None = "1"
    start_time: str | None = "08:00 AM"
    end_time: str | None = "03:00 PM"
    am_time: str | None = "11:30 AM"
    pm_time: str | None = "11:45 AM"
    start_time_2: str | None = None
    end_time_2: str | None = None
    am_time_2: str | None = None
    pm_time_2: str | None = None
    days_1: str = LETTERS
    days_2: str = ""
    hr: Mapping[str, str | None] = field(default_factory=dict)


TWO_SCHEDULES: dict[str, Any] = {
    "days_1": "MWF",
    "days_2": "TH",
    "am_time": "10:00 AM",
    "pm_time": "10:30 AM",
    "start_time_2": "12:00 PM",
    "end_time_2": "03:00 PM",
    "am_time_2": "01:00 PM",
    "pm_time_2": "01:30 PM",
    "custom_times": "0",
}
"""What a Person with two schedules has instead of the defaults."""


def write_tables(folder: Path, people: Iterable[Person]) -> None:
    """Write the staff's tables as CSV files, rows in the order of the people.

    The tables of schools, classes and students have their header only.
    """
    rows: dict[str, list[Row]] = {name: [] for name in COLUMNS}
    for person in people:
        _add(rows, person)
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in COLUMNS.items():
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows[name])
    for name, key in ROSTER_KEYS.items():
        (folder / f"{name}.csv").write_text(f"{key}\n", encoding="utf-8")


def _add(rows: dict[str, list[Row]], person: Person) -> None:
    user: Row = {name: getattr(person, name) for name in USERS}
    for name in ("teachernumber", "email_addr"):
        value = getattr(person, name)
        user[name] = value and value.replace("{dcid}", str(person.dcid))
    rows["users"].append(user)
    key: Row = {"usersdcid": person.dcid}
    rows["userscorefields"].append(key | {n: getattr(person, n) for n in CORE})
    if person.legal_first_name or person.legal_last_name:
        rows["s_il_usr_x"].append(key | {n: getattr(person, n) for n in LEGAL})
    if person.has_hr:
        rows["u_humanresources"].append(key | _hr(person))
    places = dict(person.elsewhere)
    statuses: dict[int, int | None] = {**places}
    if person.has_home_row and person.homeschoolid is not None:
        statuses[person.homeschoolid] = person.status
    for place, (building, status) in enumerate(statuses.items()):
        rows["schoolstaff"].append(
            {
                "dcid": person.dcid * 10 + place,
                "id": person.dcid * 10 + place,
                "users_dcid": person.dcid,
                "schoolid": building,
                "status": status,
                "staffstatus": person.staffstatus,
            }
        )


def _hr(person: Person) -> Row:
    values: Row = {name: getattr(person, name) for name in (*HR, *TIMES)}
    for schedule, ticked in ((1, person.days_1), (2, person.days_2)):
        for day, letter in zip(DAYS, LETTERS, strict=True):
            values[f"time{schedule}_{day}"] = "1" if letter in ticked else "0"
    return values | dict(person.hr)
