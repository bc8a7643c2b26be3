"""People of the demonstration district who each show one rule of the targets.

Called by `district.py`. Their DCIDs are fixed: the documents name some of them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from d118_pipelines.demo.staff import (
    DAYS,
    GHOSTS,
    HIGH_SCHOOL,
    SUBSTITUTE,
    SUBSTITUTES,
    Person,
    case,
    email,
    placement,
    ticked,
)

MWF, TTH = DAYS[::2], DAYS[1::2]
"""The days of the first and of the second schedule of people with two."""
SECOND = {"start_time_2": "12:00 PM", "end_time_2": "03:00 PM"}
HALVES = {"am_time_2": "01:00 PM", "pm_time_2": "01:30 PM"}


def people_with_findings(rng: random.Random) -> list[Person]:
    """Return each case once; which rule it shows is in its line."""
    here, gone = placement(HIGH_SCHOOL, 1), placement(HIGH_SCHOOL, 2)
    elementary = placement(2001, 1)
    shared = email("Shared", "Mailbox")
    made = [
        case(rng, 4001, "Ana", "Ruiz", here, elementary),  # one row in every file
        case(rng, 8001, "Imani", "Nurse"),  # bad_name, although a real person
        case(rng, 8010, "Jo", "TEST"),  # bad_name
        case(rng, 8022, "Wanda", "Ilves", gone, elementary),  # active_elsewhere
        case(rng, 8023, "Ferdinand", "Mora", elementary),  # home_school_row_missing
        case(rng, 8024, "Josefa", "Antola", homeschoolid=None),  # no_home_school
        case(rng, 8032, "Corinne", "Vale", hr={"contractemp": "1"}),
        case(rng, 8040, "Nils", "Adair", teachernumber=None),  # missing_employee_id
        case(rng, 8042, "Gwen", "Tamura", teachernumber="12A"),  # access_id_invalid
        case(rng, 8046, "Mona", "Eklund", teachernumber="00123"),
        case(rng, 8050, "Pat", "Ingram", gone, email_addr=shared),  # duplicate_email
        case(rng, 8051, "Pat", "Ingram", email_addr=shared),
        case(rng, 8055, "Sekou", "Mbaye", first_name=None),  # missing_name
        case(rng, 8072, "Xenia", "Uribe", hr={"sfe_position": None}),
        case(rng, 8075, "Abel", "Yoder", hr=ticked(MWF, TTH) | SECOND | HALVES),
        case(rng, 8076, "Bree", "Zima", hr=ticked(MWF, TTH)),  # schedule2_incomplete
        case(rng, 8077, "Cato", "Amery", hr=ticked(MWF, DAYS[:2]) | SECOND | HALVES),
        case(rng, 8090, "Knut", "Ivers", street="14 Larch Ct\tApt 2"),
        case(rng, 8093, "Łukasz", "Nuñez-Ó Briain"),  # letters outside cp1252
    ]
    absent = placement(SUBSTITUTES, 2, SUBSTITUTE)
    away = case(rng, 8030, "Bea", "Santel", absent, homeschoolid=SUBSTITUTES)
    away.hr = None
    return [*made, away]


def ghosts(staff: Sequence[Person]) -> list[Person]:
    """Return the ghost accounts; four of them share an active person's e-mail."""
    active = [one.user for one in staff if one.placements[0]["status"] == 1]
    made = []
    for place, dcid in enumerate(GHOSTS):
        twin = active[place * 20]
        shared = ["first_name", "last_name"]
        shared += ["email_addr", "teachernumber"] if place < 4 else []
        columns = {column: twin[column] for column in shared}
        user = {"dcid": dcid, "homeschoolid": HIGH_SCHOOL, **columns}
        made.append(Person(user, [placement(HIGH_SCHOOL, 2)] if place % 2 else []))
    return made
