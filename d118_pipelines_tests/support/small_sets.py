"""A OneRoster CSV set of one school with as many students as a test wants.

Belongs here: its text. Not here: sets with faults (`bundles.py`).
"""

from __future__ import annotations

from pathlib import Path

from d118_pipelines_tests.support.bundles import (
    ENROLLMENTS,
    USERS_1_1,
    set_of,
    write_folder,
)

FOLDER = "incoming"
"""Where the set lies in the project; `path` of the provider."""
PROVIDER = {
    "id": "files",
    "type": "ONEROSTER_CSV",
    "name": "Files of the office",
    "schedule": None,
    "config": {"path": FOLDER},
}


def student(number: int, family: str = "Family") -> str:
    """One line of users.csv."""
    return (
        f"S-{number},,,true,S5,student,s{number},,Given{number},"
        f"{family}{number},,{number},s{number}@mail.example,,,,09,\n"
    )


def put_set(
    root: Path, students: int, *, more_users: str = "", renamed: int = 0
) -> None:
    """Write the set of so many students and a teacher, all in one class.

    renamed: so many of them, the first, have another family name.
    """
    teacher = "T-77,,,true,S5,teacher,adoe,,Alex,Doe,,77,adoe@mail.example,,,,,\n"
    lines = "".join(
        student(n, "Renamed" if n < renamed else "Family") for n in range(students)
    )
    places = "".join(
        f"E-{n},,,51234,S5,S-{n},student,,2026-08-17,2027-01-16\n"
        for n in range(students)
    )
    taught = "E-t,,,51234,S5,T-77,teacher,true,2026-08-17,2027-01-16\n"
    folder = root / FOLDER
    for path in folder.glob("*"):
        path.unlink()
    write_folder(
        folder,
        set_of(
            users=USERS_1_1 + teacher + lines + more_users,
            enrollments=ENROLLMENTS + taught + places,
            demographics=None,
        ),
    )
