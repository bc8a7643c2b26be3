"""People with every oddity that the rules of the targets name, for the tests.

Called by `awkward.py`, which adds them to the demonstration district.

- bad names: Nurse, `use ` with a space, training1, payroll, Do Not / Use, Plugin, Admin,
  USER, Human; and real people whose surname is Test or Planning
- two buildings; no home building and no row at all; Onboarding
- substitutes with the contract flag; contract employees by `Y`
- employee numbers: blank, negative, zero, too long, spaces, and one number in two
  spellings (`00500`, `500`)
- e-mail: only spaces, upper and mixed case
- STATUS 2, 0 and NULL; STAFFSTATUS 0 and NULL
- no HR row, no calendar, no start time
- schedules: M W F only, without boxes of the first, without AM and PM times of either;
  boxes spelled `Y`, `T`, empty
- text: line break in a street, pipe in a name, legal names, nothing but what is required
"""

from __future__ import annotations

import random
from functools import partial

from d118_pipelines.demo.cases import HALVES, MWF, SECOND, TTH
from d118_pipelines.demo.staff import (
    DAYS,
    HIGH_SCHOOL,
    ONBOARDING,
    SUBSTITUTE,
    SUBSTITUTES,
    Person,
    case,
    placement,
    ticked,
)

EMPTY_BOXES = dict.fromkeys(ticked((), ()))
REQUIRED = ("dcid", "first_name", "last_name", "email_addr", "homeschoolid")


def awkward_people(rng: random.Random) -> list[Person]:
    """Return every case of the module's text once."""
    return [*_names_and_places(rng), *_numbers_and_mail(rng), *_hr_and_text(rng)]


def _names_and_places(rng: random.Random) -> list[Person]:
    one = partial(case, rng)
    substitute = placement(SUBSTITUTES, 1, SUBSTITUTE)
    made = [
        one(8002, "Piotr", "Test"),
        one(8003, "Marguerite", "Planning"),
        one(8011, "Nurse", "Office"),
        one(8012, "use ", "Kiosk"),
        one(8013, "training1", "Account"),
        one(8014, "Payroll", "Office", placement(0, 1), homeschoolid=0),
        one(8015, "Do Not", "Use"),
        one(8016, "Plugin", "Account", placement(134, 1), homeschoolid=134),
        one(8017, "WHS", "Admin"),
        one(8018, "USER", "Library"),
        one(8019, "Human", "Resources", placement(0, 1), homeschoolid=0),
        one(8020, "Oona", "Bergamo", placement(5, 1), placement(2001, 1)),
        one(8021, "Hugo", "Lindgren", placement(1004, 1), placement(2005, 1)),
        one(8025, "Tobias", "Reyl", homeschoolid=None),
        one(8026, "Linh", "Amador", placement(ONBOARDING, 1), homeschoolid=ONBOARDING),
        one(8031, "Rufus", "Okeke", substitute, homeschoolid=SUBSTITUTES),
        one(8033, "Dieter", "Amsel", hr={"contractemp": "Y"}),
    ]
    people = {made_one.user["dcid"]: made_one for made_one in made}
    people[8021].user["homeschoolid"] = 2005
    people[8025].placements = []
    people[8031].hr = {"contractemp": "1"}
    return made


def _numbers_and_mail(rng: random.Random) -> list[Person]:
    one = partial(case, rng)
    gone = placement(HIGH_SCHOOL, 2)
    without_kind = {**placement(HIGH_SCHOOL, 1), "staffstatus": None}
    unassigned = {**placement(HIGH_SCHOOL, 1), "staffstatus": 0}
    return [
        one(8041, "Pilar", "Ostrom", teachernumber="   "),
        one(8043, "Amos", "Bellini", teachernumber="-5"),
        one(8044, "Ida", "Corso", teachernumber="0000"),
        one(8045, "Levi", "Danso", teachernumber="1234567890"),
        one(8047, "Rosa", "Farkas", teachernumber=" 4821 "),
        one(8048, "Emil", "Gorski", gone, teachernumber="00500"),
        one(8049, "Nell", "Hartog", teachernumber="500"),
        one(8052, "Una", "Jensen", email_addr="   "),
        one(8053, "Ravi", "Kessler", email_addr="Ravi.Kessler@D118.example"),
        one(8054, "Sol", "Lamarr", email_addr="SOL.LAMARR@D118.EXAMPLE"),
        one(8060, "Otto", "Navas", gone),
        one(8061, "Ruth", "Oduya", placement(5, 0)),
        one(8062, "Saul", "Pinter", placement(5, None)),
        one(8063, "Thea", "Quist", without_kind),
        one(8064, "Uri", "Rahal", unassigned),
    ]


def _hr_and_text(rng: random.Random) -> list[Person]:
    one = partial(case, rng)
    both = ticked(MWF, TTH) | SECOND
    no_halves = {"am_time": None, "pm_time": None}
    spelled_t = ticked(DAYS, (), "T") | {"custom_times": "T"}
    made = [
        one(8070, "Vada", "Stroud"),
        one(8071, "Walt", "Tessier", hr={"calendar": None}),
        one(8073, "Yuri", "Valk", hr={"start_time": None}),
        one(8074, "Zelda", "Wirth", hr=ticked(MWF, ())),
        one(8078, "Dora", "Bexley", hr=ticked((), TTH) | SECOND | HALVES),
        one(8079, "Evan", "Colby", hr=both),
        one(8080, "Faye", "Drozd", hr=both | HALVES | no_halves),
        one(8081, "Glen", "Emery", hr=no_halves),
        one(8082, "Hedy", "Frost", hr=ticked(DAYS, (), "Y") | {"custom_times": "Y"}),
        one(8083, "Ivor", "Grady", hr=spelled_t),
        one(8084, "June", "Hobbs", hr=EMPTY_BOXES | {"custom_times": None}),
        one(8091, "Lena", "Jarvis", street="220 Fern Rd\r\nUnit 7"),
        one(8092, "Quin", "O|Neil"),
        one(8094, "Bo", "Keane"),
        one(8095, "Mimi", "Lark"),
        one(8096, "Nico", "Maddox"),
    ]
    people = {made_one.user["dcid"]: made_one for made_one in made}
    people[8070].hr = None
    people[8094].legal = {"legal_first_name": "Robert", "legal_last_name": None}
    people[8095].legal = {"legal_first_name": "Miriam", "legal_last_name": "Larkspur"}
    bare = people[8096]
    bare.user = {c: bare.user[c] for c in (*REQUIRED, "teachernumber")}
    bare.core = bare.legal = bare.hr = None
    return made
