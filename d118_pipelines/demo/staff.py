"""The staff of the demonstration district: ordinary people, and how a case is made.

Called by `district.py` and, for people who show a rule, by `cases.py`. Nothing here
depends on the date, so the staff is the same on every day.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from d118_pipelines.demo.data import (
    DATA,
    FIRST_NAMES,
    LAST_NAMES,
    TOWNS,
    phone,
    plain,
    street,
)

Row = dict[str, Any]

HIGH_SCHOOL, SUBSTITUTES, ONBOARDING = 5, 500, 2
NEWEST_DCID = 9700
"""The watermark of `NewestDCID.txt`: everybody up to it counts as sent before."""
NEW_PEOPLE = 10
CASES = {4001, *range(8000, 8200)}
"""DCIDs that no ordinary person has."""
GHOSTS = (139, 140, 200, 201, 355, 7054, 7154, 7409, 9306, 9625)
"""DCIDs of old duplicate accounts. See docs/reference/powerschool.md."""
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of work: PowerSchool's STAFFSTATUS and the SmartFind codes."""

    title: str
    staffstatus: int
    calendar: str
    position: str | None


@dataclass(slots=True)
class Person:
    """One USERS row and the rows that hang on it; a missing row is None."""

    user: Row
    placements: list[Row]
    core: Row | None = None
    legal: Row | None = None
    hr: Row | None = None


_ROLES = {title: Role(title, *codes) for title, codes in DATA["work"].items()}
TEACHER, SUBSTITUTE = _ROLES["Teacher"], _ROLES["Substitute"]
_SCHOOLS = tuple(DATA["posts"])[:6]
_TIMES = {5: ("07:30 AM", "02:50 PM"), 1003: ("07:50 AM", "03:05 PM")}


def ordinary_staff(rng: random.Random, count: int) -> list[Person]:
    """Return `count` people in ascending DCID; the last `NEW_PEOPLE` are new.

    Substitutes fill up what the posts leave over.
    """
    posts = [
        (building, _ROLES[title])
        for building, titles in DATA["posts"].items()
        for title, number in titles.items()
        for _ in range(number)
    ]
    posts += [(SUBSTITUTES, SUBSTITUTE)] * (count - len(posts))
    rng.shuffle(posts)
    posts.sort(key=lambda post: post[0] != ONBOARDING)  # the new ones are exportable
    free = [n for n in range(1001, 9600) if n not in CASES and n not in GHOSTS]
    dcids = sorted(rng.sample(free, count - NEW_PEOPLE))
    dcids += range(NEWEST_DCID + 1, NEWEST_DCID + 1 + NEW_PEOPLE)
    names, numbers = _names(rng), rng.sample(range(10_000, 80_000), count)
    return [
        person(rng, dcid, next(names), str(number), building, role)
        for dcid, number, (building, role) in zip(dcids, numbers, posts, strict=True)
    ]


def _names(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield first and last names so that no two people have the same e-mail address."""
    used: set[str] = set()
    while True:
        first = rng.choice(FIRST_NAMES)
        last = rng.choice(LAST_NAMES)
        if (address := email(first, last)) not in used:
            used.add(address)
            yield first, last


def email(first: str, last: str) -> str:
    """Return the work e-mail address that goes with a name."""
    return f"{plain(first)}.{plain(last)}@d118.example"


def person(
    rng: random.Random,
    dcid: int,
    name: tuple[str, str],
    number: str,
    building: int,
    role: Role = TEACHER,
) -> Person:
    """Return a person without a flaw; about one in fourteen no longer works here."""
    status = 2 if rng.random() < 0.07 and dcid <= NEWEST_DCID else 1
    placements = [placement(building, status, role)]
    if role is TEACHER and rng.random() < 0.06:
        other = rng.choice([n for n in _SCHOOLS if n != building])
        placements.append(placement(other, status, role))
    user = _user(rng, dcid, name, building, role) | {"teachernumber": number}
    hr = human_resources(rng, building, role) if role is not SUBSTITUTE else None
    return Person(user, placements, _core(rng), _legal(rng), hr)


def case(
    rng: random.Random,
    dcid: int,
    first: str,
    last: str,
    *placements: Row,
    hr: Row | None = None,
    **columns: str | int | None,
) -> Person:
    """Return a teacher of the high school with these columns of USERS and the HR row."""
    one = person(rng, dcid, (first, last), str(dcid), HIGH_SCHOOL)
    one.placements = list(placements) or [placement(HIGH_SCHOOL, 1)]
    one.user |= columns
    one.legal = {"legal_first_name": None, "legal_last_name": None}
    one.hr = {**(one.hr or {}), **(hr or {})}
    return one


def _core(rng: random.Random) -> Row:
    month, day = rng.randrange(1, 13), rng.randrange(1, 29)
    born = f"{month:02}/{day:02}/{rng.randrange(1958, 2001)}"
    return {"dob": born, "gender": rng.choice("FFFFMMMfm")}


def _legal(rng: random.Random) -> Row:
    other = rng.choice(FIRST_NAMES) if rng.random() < 0.04 else None
    return {"legal_first_name": other, "legal_last_name": None}


def _user(
    rng: random.Random, dcid: int, name: tuple[str, str], building: int, role: Role
) -> Row:
    first, last = name
    town, zip_code = rng.choice(TOWNS)
    login = f"{plain(first)[:1]}{plain(last)}"[:20]
    return {
        "dcid": dcid,
        "first_name": first,
        "middle_name": rng.choice([None, None, "A", "Lee", "Marie", "R"]),
        "last_name": last,
        "title": role.title,
        "homeschoolid": building,
        "email_addr": email(first, last),
        "teacherloginid": login if role is TEACHER else None,
        "home_phone": phone(rng) if rng.random() < 0.9 else None,
        "street": street(rng),
        "city": town,
        "state": "IL",
        "zip": zip_code,
        "sif_stateprid": None,
    }


def placement(building: int, status: int | None, role: Role = TEACHER) -> Row:
    """Return a SCHOOLSTAFF row; its ids are given when the files are written."""
    return {"schoolid": building, "status": status, "staffstatus": role.staffstatus}


def human_resources(rng: random.Random, building: int, role: Role = TEACHER) -> Row:
    """Return the HR row; whoever has a SmartFind position has one full schedule."""
    mail = f"person{rng.randrange(10_000)}@mail.example"
    row: Row = {
        "personal_email": mail if rng.random() < 0.5 else None,
        "calendar": role.calendar,
        "contractemp": "0",
        "sfe_position": role.position,
        "custom_times": rng.choice("01"),
        **ticked(DAYS if role.position else (), ()),
    }
    if role.position:
        start, end = _TIMES.get(building, ("08:15 AM", "03:20 PM"))
        row |= {"start_time": start, "end_time": end}
        row |= {"am_time": "11:30 AM", "pm_time": "11:45 AM"}
    return row


def ticked(first: tuple[str, ...], second: tuple[str, ...], tick: str = "1") -> Row:
    """Return the boxes of both schedules; the days that are not named are `0`."""
    return {
        f"time{schedule}_{day}": tick if day in days else "0"
        for schedule, days in ((1, first), (2, second))
        for day in DAYS
    }
