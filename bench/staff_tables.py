"""Staff tables for the benchmark: made-up districts, and their way into SQLite.

Belongs here: the five PowerSchool tables that the staff exports read, as CSV files of
any size, and a loader for `plain_script.py`. Not here: the exports, the measuring.
Names and addresses are invented, the domain is `.example`.
"""

from __future__ import annotations

import csv
import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

Row = dict[str, object]

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
BOXES = [f"time{schedule}_{day}" for schedule in (1, 2) for day in DAYS]
TABLES = {
    "users": [
        "dcid", "first_name", "middle_name", "last_name", "homeschoolid",
        "teachernumber", "email_addr", "home_phone", "street", "city", "state", "zip",
    ],
    "schoolstaff": ["dcid", "id", "users_dcid", "schoolid", "status", "staffstatus"],
    "userscorefields": ["usersdcid", "dob", "gender"],
    "s_il_usr_x": ["usersdcid", "legal_first_name", "legal_last_name"],
    "u_humanresources": [
        "usersdcid", "personal_email", "calendar", "contractemp", "sfe_position",
        "custom_times", "start_time", "end_time", "am_time", "pm_time",
        "start_time_2", "end_time_2", "am_time_2", "pm_time_2", *BOXES,
    ],
}  # fmt: skip
INTEGERS = {
    "dcid", "id", "users_dcid", "usersdcid", "schoolid", "homeschoolid", "status",
    "staffstatus",
}  # fmt: skip
"""Columns that hold numbers; all others are text, check boxes too."""

FIRST_DCID = 1000
BUILDINGS = (0, 5, 1003, 2001, 2002, 2003)
SUBSTITUTES = 500
MAX_ADDS = 40
FIRST_NAMES = ("Ana", "Bo", "Cy", "Di", "Ed", "Fay", "Gil", "Zoë", "Ida", "José")
LAST_NAMES = ("Abt", "Bell", "Cole", "Dorn", "Eder", "Fry", "Gore", "Núñez", "O'Dell")


def make_staff_tables(folder: Path, staff: int, seed: int) -> int:
    """Write five CSV files and `NewestDCID.txt`; the same arguments, the same bytes.

    Shape: `staff` people with DCIDs from 1000 up, one of ten with a second building;
    about one in a hundred has a fault (no number, shared e-mail, blank e-mail, no home
    row, control character, onboarding). An empty cell is NULL.
    Returns the number in `NewestDCID.txt`: at most 40 people have a higher DCID.
    """
    rng = random.Random(seed)
    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    for position in range(staff):
        add_person(tables, rng, FIRST_DCID + position)
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, TABLES[name], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    newest = FIRST_DCID + staff - 1 - min(MAX_ADDS, staff // 10)
    (folder / "NewestDCID.txt").write_text(f"{newest}\n", encoding="utf-8")
    return newest


def add_person(tables: dict[str, list[Row]], rng: random.Random, dcid: int) -> None:
    """Append one person's rows to all tables."""
    is_substitute = rng.random() < 0.08
    home = SUBSTITUTES if is_substitute else rng.choice(BUILDINGS)
    status = 1 if rng.random() < 0.8 else 2
    user = plain_user(rng, dcid, home)
    spoil(user, rng.randrange(800))
    tables["users"].append(user)
    schools = [(user["homeschoolid"], status)] if rng.randrange(1000) else []
    if rng.random() < 0.1:
        schools.append((2004, status))
    staffstatus = 4 if is_substitute else rng.choice((1, 1, 1, 2, 3))
    for school, status_there in schools:
        number = len(tables["schoolstaff"]) + 1
        tables["schoolstaff"].append(
            {
                "dcid": number, "id": number, "users_dcid": dcid, "schoolid": school,
                "status": status_there, "staffstatus": staffstatus,
            }
        )  # fmt: skip
    born = f"{rng.randint(1, 12):02}/{rng.randint(1, 28):02}/{rng.randint(1955, 2001)}"
    gender = rng.choice("FM")
    tables["userscorefields"].append({"usersdcid": dcid, "dob": born, "gender": gender})
    if rng.random() < 0.2:
        tables["s_il_usr_x"].append({"usersdcid": dcid, "legal_first_name": "Robin"})
    tables["u_humanresources"].append(human_resources(rng, dcid))


def plain_user(rng: random.Random, dcid: int, home: int) -> Row:
    """Return a row of USERS without a fault."""
    return {
        "dcid": dcid,
        "first_name": rng.choice(FIRST_NAMES),
        "middle_name": rng.choice(("", "", "M", "Lee")),
        "last_name": f"{rng.choice(LAST_NAMES)}-{dcid}",
        "homeschoolid": home,
        "teachernumber": f"{100000 + dcid:08}",
        "email_addr": f"Staff.{dcid}@d118.example",
        "home_phone": f"847-555-{rng.randrange(10000):04}",
        "street": f"{rng.randint(1, 999)} Main St",
        "city": "Wauconda",
        "state": "IL",
        "zip": "60084",
    }


def spoil(user: Row, lot: int) -> None:
    """Give one person in a hundred a fault; `lot` is a number below 800."""
    faults: tuple[Row, ...] = (
        {"teachernumber": ""},
        {"email_addr": "Staff.1000@d118.example"},
        {"email_addr": "  "},
        {"street": "1 Main\tApt 2"},
        {"last_name": "O|Neil"},
        {"homeschoolid": 2},
        {"first_name": "Nurse"},
        {"teachernumber": f" {user['teachernumber']} "},
    )
    if lot < len(faults):
        user.update(faults[lot])


def human_resources(rng: random.Random, dcid: int) -> Row:
    """Return a row of U_HUMANRESOURCES: most with one schedule, some with two."""
    row: Row = {"usersdcid": dcid, "personal_email": f"p{dcid}@mail.example"}
    if rng.random() < 0.1:
        return row
    row |= dict.fromkeys(BOXES, 0) | dict.fromkeys(BOXES[:5], 1)
    row |= {
        "calendar": rng.choice(("100", "100", "205", "")),
        "contractemp": int(rng.random() < 0.02), "sfe_position": "TCH",
        "custom_times": 1, "start_time": "08:00 AM", "end_time": "03:00 PM",
        "am_time": "11:30 AM", "pm_time": "11:45 AM",
    }  # fmt: skip
    if rng.random() < 0.1:
        row |= {"time1_friday": 0, "time2_friday": 1}
        row |= {"start_time_2": "12:00 PM", "end_time_2": "03:00 PM"}
    return row


def load_sqlite(folder: Path, database: Path) -> None:
    """Load the five CSV files of a folder into a new SQLite file; '' becomes NULL.

    Keys are unique: `users.dcid`, `usersdcid` of each extension table, and
    (`users_dcid`, `schoolid`) of `schoolstaff`.
    Raises: sqlite3.IntegrityError if a key occurs twice.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        for name in TABLES:
            path = folder / f"{name}.csv"
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.reader(file)
                load_table(connection, name, next(rows), rows)


def load_table(
    connection: sqlite3.Connection,
    name: str,
    columns: list[str],
    rows: Iterable[list[str]],
) -> None:
    """Make one table with its unique index and fill it."""
    types = {True: "INTEGER", False: "TEXT"}
    declared = ", ".join(f"{column} {types[column in INTEGERS]}" for column in columns)
    key = "users_dcid, schoolid" if name == "schoolstaff" else columns[0]
    marks = ", ".join("?" for _ in columns)
    connection.execute(f"CREATE TABLE {name} ({declared})")
    connection.execute(f"CREATE UNIQUE INDEX {name}_key ON {name} ({key})")
    connection.executemany(
        f"INSERT INTO {name} VALUES ({marks})",
        ([cell or None for cell in row] for row in rows),
    )
