"""The awkward people of the demonstration district, each with a DCID of its own.

Belongs here: one entry for every fault or oddity that the rules of the targets name.
Not here: ordinary people (`staff.py`), files.

- bad names: TEST, Nurse, `use ` with a space, training1, payroll, Do Not / Use, Plugin,
  Admin, USER, Human; and real people whose surname is Nurse, Test or Planning
- two buildings; inactive at home but active elsewhere; only a row elsewhere
- no home building, with and without a row; Onboarding
- substitutes: inactive, with the contract flag; contract employees (`1`, `Y`)
- employee numbers: none, blank, letters, negative, zero, too long, leading zeros, spaces,
  and one number in two spellings (`00500`, `500`)
- e-mail: shared by an active and an inactive account, only spaces, upper and mixed case
- STATUS 2, 0 and NULL; STAFFSTATUS 0 and NULL; no first name
- no HR row, no calendar, no position, no start time
- schedules: M W F only, two complete, the second without times, with an overlapping day,
  without boxes of the first, without AM and PM times of either; boxes spelled `Y`, `T`,
  empty
- text: tab and line break in a street, pipe in a name, letters outside cp1252, legal
  names, nothing but what is required
- ghosts: old duplicates of other accounts, with and without their e-mail
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from d118_pipelines.demo.staff import (
    DAYS,
    GHOSTS,
    HIGH_SCHOOL,
    ONBOARDING,
    SUBSTITUTE,
    SUBSTITUTES,
    Person,
    Row,
    email,
    person,
    placement,
    ticked,
)

REAL_PEOPLE_WITH_BAD_NAMES = (8001, 8002, 8003)
"""USERS.DCID of real people named Nurse, Test and Planning; targets allow them."""

Change = Callable[[Person], object]
_MWF = (DAYS[0], DAYS[2], DAYS[4])
_TTH = (DAYS[1], DAYS[3])
_SECOND = {"start_time_2": "12:00 PM", "end_time_2": "03:00 PM"}
_SECOND_HALVES = {"am_time_2": "01:00 PM", "pm_time_2": "01:30 PM"}


def awkward_people(rng: random.Random) -> list[Person]:
    """Return every case once, in ascending DCID; the list is in the module's text."""
    made = []
    for dcid, (name, change) in sorted(_CASES.items()):
        one = person(rng, dcid, name, str(dcid), HIGH_SCHOOL)
        one.placements = [placement(HIGH_SCHOOL, 1)]
        _legal(None, None)(one)
        change(one)
        made.append(one)
    return made


def ghosts(staff: Sequence[Person]) -> list[Person]:
    """Return the ghost accounts; four of them share an active person's e-mail."""
    active = [one.user for one in staff if one.placements[0]["status"] == 1]
    made = []
    for place, dcid in enumerate(GHOSTS):
        twin = active[place * 20]
        shared = ["first_name", "last_name", "lastfirst"]
        shared += ["email_addr", "teachernumber"] if place < 4 else []
        columns = {column: twin[column] for column in shared}
        user: Row = {"dcid": dcid, "homeschoolid": HIGH_SCHOOL, **columns}
        made.append(Person(user, [placement(HIGH_SCHOOL, 2)] if place % 2 else []))
    return made


def _nothing(one: Person) -> None:
    """Leave the person as it is: the name is the case."""


def _both(first: Change, second: Change) -> Change:
    return lambda one: (first(one), second(one))


def _user(**columns: str | int | None) -> Change:
    return lambda one: one.user.update(columns)


def _at(home: int | None, *placements: Row) -> Change:
    def change(one: Person) -> None:
        one.user["homeschoolid"] = home
        one.placements = list(placements)

    return change


def _hr(*parts: Mapping[str, str | int | None], **columns: str | None) -> Change:
    def change(one: Person) -> None:
        for part in (*parts, columns):
            one.hr = {**(one.hr or {}), **part}

    return change


def _substitute(status: int, contract: str | None = None) -> Change:
    def change(one: Person) -> None:
        _at(SUBSTITUTES, placement(SUBSTITUTES, status, SUBSTITUTE))(one)
        one.user["title"] = SUBSTITUTE.title
        one.hr = {"contractemp": contract} if contract else None

    return change


def _without_hr_row(one: Person) -> None:
    one.hr = None


def _only_what_is_required(one: Person) -> None:
    one.core = one.legal = one.hr = None
    keep = (
        "dcid",
        "first_name",
        "last_name",
        "email_addr",
        "homeschoolid",
        "teachernumber",
    )
    one.user = {column: one.user[column] for column in keep}


def _legal(first: str | None, last: str | None) -> Change:
    def change(one: Person) -> None:
        names = {"legal_first_name": first, "legal_last_name": last}
        one.legal = {**(one.legal or {}), **names}

    return change


def _boxes(first: tuple[str, ...], second: tuple[str, ...], tick: str = "1") -> Row:
    return ticked(1, first, tick) | ticked(2, second, tick)


_EMPTY_BOXES: Row = dict.fromkeys(ticked(1, ()) | ticked(2, ()))
_MISSING_STATUS: Row = {"schoolid": HIGH_SCHOOL, "status": 1, "staffstatus": None}
_NOT_ASSIGNED: Row = {"schoolid": HIGH_SCHOOL, "status": 1, "staffstatus": 0}
_INACTIVE = _at(HIGH_SCHOOL, placement(HIGH_SCHOOL, 2))
_SHARED = email("Shared", "Mailbox")

_CASES: dict[int, tuple[tuple[str, str], Change]] = {
    8001: (("Imani", "Nurse"), _nothing),
    8002: (("Piotr", "Test"), _nothing),
    8003: (("Marguerite", "Planning"), _nothing),
    8010: (("Jo", "TEST"), _nothing),
    8011: (("Nurse", "Office"), _nothing),
    8012: (("use ", "Kiosk"), _nothing),
    8013: (("training1", "Account"), _nothing),
    8014: (("Payroll", "Office"), _at(0, placement(0, 1))),
    8015: (("Do Not", "Use"), _nothing),
    8016: (("Plugin", "Account"), _at(134, placement(134, 1))),
    8017: (("WHS", "Admin"), _nothing),
    8018: (("USER", "Library"), _nothing),
    8019: (("Human", "Resources"), _at(0, placement(0, 1))),
    8020: (("Oona", "Bergamo"), _at(5, placement(5, 1), placement(2001, 1))),
    8021: (("Hugo", "Lindgren"), _at(2005, placement(1004, 1), placement(2005, 1))),
    8022: (("Wanda", "Ilves"), _at(5, placement(5, 2), placement(1003, 1))),
    8023: (("Ferdinand", "Mora"), _at(5, placement(2001, 1))),
    8024: (("Josefa", "Antola"), _at(None, placement(5, 1))),
    8025: (("Tobias", "Reyl"), _at(None)),
    8026: (("Linh", "Amador"), _at(ONBOARDING, placement(ONBOARDING, 1))),
    8030: (("Bea", "Santel"), _substitute(2)),
    8031: (("Rufus", "Okeke"), _substitute(1, contract="1")),
    8032: (("Corinne", "Vale"), _hr(contractemp="1")),
    8033: (("Dieter", "Amsel"), _hr(contractemp="Y")),
    8040: (("Nils", "Adair"), _user(teachernumber=None)),
    8041: (("Pilar", "Ostrom"), _user(teachernumber="   ")),
    8042: (("Gwen", "Tamura"), _user(teachernumber="12A")),
    8043: (("Amos", "Bellini"), _user(teachernumber="-5")),
    8044: (("Ida", "Corso"), _user(teachernumber="0000")),
    8045: (("Levi", "Danso"), _user(teachernumber="1234567890")),
    8046: (("Mona", "Eklund"), _user(teachernumber="00123")),
    8047: (("Rosa", "Farkas"), _user(teachernumber=" 4821 ")),
    8048: (("Emil", "Gorski"), _both(_user(teachernumber="00500"), _INACTIVE)),
    8049: (("Nell", "Hartog"), _user(teachernumber="500")),
    8050: (("Pat", "Ingram"), _both(_user(email_addr=_SHARED), _INACTIVE)),
    8051: (("Pat", "Ingram"), _user(email_addr=_SHARED)),
    8052: (("Una", "Jensen"), _user(email_addr="   ")),
    8053: (("Ravi", "Kessler"), _user(email_addr="Ravi.Kessler@D118.example")),
    8054: (("Sol", "Lamarr"), _user(email_addr="SOL.LAMARR@D118.EXAMPLE")),
    8055: (("Sekou", "Mbaye"), _user(first_name=None)),
    8060: (("Otto", "Navas"), _INACTIVE),
    8061: (("Ruth", "Oduya"), _at(5, placement(5, 0))),
    8062: (("Saul", "Pinter"), _at(5, placement(5, None))),
    8063: (("Thea", "Quist"), _at(5, _MISSING_STATUS)),
    8064: (("Uri", "Rahal"), _at(5, _NOT_ASSIGNED)),
    8070: (("Vada", "Stroud"), _without_hr_row),
    8071: (("Walt", "Tessier"), _hr(calendar=None)),
    8072: (("Xenia", "Uribe"), _hr(sfe_position=None)),
    8073: (("Yuri", "Valk"), _hr(start_time=None)),
    8074: (("Zelda", "Wirth"), _hr(_boxes(_MWF, ()))),
    8075: (("Abel", "Yoder"), _hr(_boxes(_MWF, _TTH), _SECOND, _SECOND_HALVES)),
    8076: (("Bree", "Zima"), _hr(_boxes(_MWF, _TTH))),
    8077: (("Cato", "Amery"), _hr(_boxes(_MWF, DAYS[:2]), _SECOND, _SECOND_HALVES)),
    8078: (("Dora", "Bexley"), _hr(_boxes((), _TTH), _SECOND, _SECOND_HALVES)),
    8079: (("Evan", "Colby"), _hr(_boxes(_MWF, _TTH), _SECOND)),
    8080: (
        ("Faye", "Drozd"),
        _hr(_boxes(_MWF, _TTH), _SECOND, _SECOND_HALVES, am_time=None, pm_time=None),
    ),
    8081: (("Glen", "Emery"), _hr(am_time=None, pm_time=None)),
    8082: (("Hedy", "Frost"), _hr(_boxes(DAYS, (), tick="Y"), custom_times="Y")),
    8083: (("Ivor", "Grady"), _hr(_boxes(DAYS, (), tick="T"), custom_times="T")),
    8084: (("June", "Hobbs"), _hr(_EMPTY_BOXES, custom_times=None, contractemp=None)),
    8090: (("Knut", "Ivers"), _user(street="14 Larch Ct\tApt 2")),
    8091: (("Lena", "Jarvis"), _user(street="220 Fern Rd\r\nUnit 7")),
    8092: (("Quin", "O|Neil"), _nothing),
    8093: (("Łukasz", "Nuñez-Ó Briain"), _nothing),
    8094: (("Bo", "Keane"), _legal("Robert", None)),
    8095: (("Mimi", "Lark"), _legal("Miriam", "Larkspur")),
    8096: (("Nico", "Maddox"), _only_what_is_required),
}
