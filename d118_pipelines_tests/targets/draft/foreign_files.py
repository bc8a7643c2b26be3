"""Files as scripts of other districts write them, from the tables of PowerSchool alone.

It knows nothing of the drafter, nor of what this project extracts: it reads the tables
of the demonstration district and writes plain text.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

Row = dict[str, str]


def tables(folder: Path, name: str) -> list[Row]:
    """The rows of one table."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_all(tables_folder: Path, out: Path) -> list[Path]:
    """Six files, each in a folder of its own; returns the folders."""
    students = sorted(
        tables(tables_folder, "students"), key=lambda row: int(row["dcid"])
    )
    schools = {row["school_number"]: row for row in tables(tables_folder, "schools")}
    users = sorted(tables(tables_folder, "users"), key=lambda row: int(row["dcid"]))
    active = [row for row in students if row["enroll_status"] == "0"]
    staff = [row for row in users if row["email_addr"].strip() and row["homeschoolid"]]
    return [
        _google(out, active),
        _library(out, active),
        _school_data_sync(out, active),
        _lunch(out, active),
        _messages(out, active, schools),
        _badges(out, staff, schools),
    ]


def _number(row: Row) -> str:
    return row["student_number"].removesuffix(".0")


def _day(row: Row) -> dt.date:
    return dt.date.fromisoformat(row["dob"][:10])


def _save(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
    return folder


def _csv(rows: Iterable[Sequence[str]], **form: object) -> str:
    import io

    text = io.StringIO(newline="")
    csv.writer(text, **{"lineterminator": "\n", **form}).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


def _google(out: Path, students: list[Row]) -> Path:
    head = ["First Name [Required]", "Last Name [Required]", "Email Address [Required]"]
    head += ["Password [Required]", "Org Unit Path [Required]", "Employee ID"]
    rows = [
        [
            row["first_name"],
            row["last_name"],
            f"{_number(row)}@students.d118.example",
            "****",
            f"/Students/{row['sched_yearofgraduation']}",
            _number(row),
        ]
        for row in students
    ]
    return _save(out / "google", "google_users.csv", _csv([head, *rows]).encode())


def _library(out: Path, students: list[Row]) -> Path:
    """No header, everything in quotes, a grade of two characters."""
    rows = [
        [
            "P",
            row["schoolid"],
            _number(row).rjust(8, "0"),
            row["last_name"].upper(),
            row["first_name"].upper(),
            row["gender"],
            row["grade_level"].rjust(2, "0"),
            _day(row).strftime("%Y%m%d"),
        ]
        for row in students
    ]
    text = _csv(rows, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    return _save(out / "library", "patrons.txt", text.encode())


def _school_data_sync(out: Path, students: list[Row]) -> Path:
    head = ["SIS ID", "School SIS ID", "First Name", "Last Name", "Username", "Grade"]
    rows = [
        [
            row["dcid"],
            row["schoolid"],
            row["first_name"],
            row["last_name"],
            _number(row),
            {"-2": "PR", "-1": "PK", "0": "KG"}.get(row["grade_level"])
            or row["grade_level"].rjust(2, "0"),
        ]
        for row in students
    ]
    return _save(out / "sds", "Student.csv", _csv([head, *rows]).encode())


def _lunch(out: Path, students: list[Row]) -> Path:
    """Tabs, the code page of Windows, dates as people write them, paid where nothing is."""
    head = ["STUDENT_ID", "NAME", "BIRTHDATE", "SCHOOL", "GRADE", "ELIGIBILITY", "ZIP"]
    rows = [
        [
            _number(row),
            f"{row['last_name']}, {row['first_name']}",
            _day(row).strftime("%m/%d/%Y"),
            row["schoolid"],
            row["grade_level"],
            {"F": "Free", "R": "Reduced"}.get(row["lunchstatus"], "Paid"),
            row["zip"],
        ]
        for row in students
    ]
    lines = "".join("\t".join(row) + "\r\n" for row in [head, *rows])
    return _save(out / "lunch", "lunch.tab", lines.encode("cp1252", errors="replace"))


def _messages(out: Path, students: list[Row], schools: dict[str, Row]) -> Path:
    """Pipes with one at the end of every line, the name of the school, digits of a phone."""
    rows = [
        [
            _number(row),
            row["first_name"],
            row["last_name"],
            row["grade_level"],
            schools[row["schoolid"]]["name"],
            "en",
            row["sched_yearofgraduation"][-2:],
        ]
        for row in students
        if row["schoolid"] in ("5", "1003", "2007")
    ]
    lines = "".join("|".join(row) + "|\n" for row in rows)
    return _save(out / "messages", "contacts.dat", lines.encode())


def _badges(out: Path, staff: list[Row], schools: dict[str, Row]) -> Path:
    """Semicolons, a byte order mark, one name, e-mail in small letters."""
    head = ["badge", "display name", "mail", "building", "kind"]
    rows = [
        [
            row["dcid"],
            f"{row['first_name']} {row['last_name']}",
            row["email_addr"].lower(),
            schools[row["homeschoolid"]]["name"],
            "Substitute" if row["homeschoolid"] == "500" else "Employee",
        ]
        for row in staff
        if row["homeschoolid"] in schools and row["first_name"] and row["last_name"]
    ]
    text = _csv([head, *rows], delimiter=";")
    return _save(out / "badges", "badges.csv", b"\xef\xbb\xbf" + text.encode())
