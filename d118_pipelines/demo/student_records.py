"""What the demonstration district knows of its students besides the enrollment.

Belongs here: the extension tables of STUDENTS, and the awkward students. Not here: who
the students are (`students.py`), classes, files. Everything follows from the DCID,
so a student keeps it from year to year.

The awkward students stand at the same places of every class:
- names with comma, quote and both; no middle name needs quotes; a test account
- state numbers with a leading zero, with letters, none
- no gender, no birthday; every lunch status
- a street with comma and quote, one with a line break
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from d118_pipelines.demo.staff import Row

_PLACES = 1000  # DCIDs of a class
_CASES: dict[int, Row] = {
    1: {"last_name": "Lindqvist, Jr."},
    2: {"first_name": 'Anna "Annie"'},
    3: {"first_name": 'Lee, "Chip"', "middle_name": 'de "la", Cruz'},
    4: {"last_name": "Teststudent"},
    5: {"state_studentnumber": "012345678"},
    6: {"state_studentnumber": "IL-40018"},
    7: {"state_studentnumber": None},
    8: {"gender": None},
    9: {"dob": None},
    10: {"lunchstatus": "T"},
    11: {"lunchstatus": "FDC"},
    12: {"lunchstatus": "E"},
    13: {"street": '7 Elm St, "Unit B"'},
    14: {"street": "9 Fern Rd\nUnit 3"},
}
_RACES = "WWWWWBAIM"


def add_awkward_students(students: Sequence[Row]) -> None:
    """Give the students at the places of the module's text their cases."""
    for row in students:
        dcid = int(row["dcid"] or 0)
        if case := _CASES.get(dcid % _PLACES):
            own = case.get("state_studentnumber")
            # Two students of one number would be one person in the roster.
            number = {"state_studentnumber": f"{own}{dcid // _PLACES}"} if own else {}
            row.update({**case, **number})
            row["lastfirst"] = ", ".join(
                [str(row["last_name"]), str(row["first_name"])]
            )


def extension_tables(seed: int, students: Sequence[Row]) -> Mapping[str, list[Row]]:
    """Return the rows of the extension tables; some students have none."""
    tables: dict[str, list[Row]] = {name: [] for name in _COLUMNS}
    for student in students:
        rng = random.Random(f"{seed}:records:{student['dcid']}")
        values = dict(_values(rng, student))
        for name, columns in _COLUMNS.items():
            if rng.random() < 0.9:
                row: Row = {"studentsdcid": student["dcid"]}
                tables[name].append(row | {c: values[c] for c in columns})
    return tables


_COLUMNS = {
    "u_def_ext_students0": (
        "custom_ethnicity",
        "custom_race",
        "custom_lep",
        "simple_gpa",
        "weighted_gpa",
    ),
    "s_il_stu_x": ("iep", "lep"),
    "s_il_stu_plan504_x": ("participant",),
    "s_stu_crdc_x": ("giftedtalentedprograms_yn",),
}


def _values(rng: random.Random, student: Row) -> Iterator[tuple[str, str | int | None]]:
    learns_english = rng.random() < 0.12
    gpa = round(rng.uniform(1.2, 4.0), 4)
    older = int(student["grade_level"] or 0) > 8
    yield "custom_ethnicity", "Y" if student["fedethnicity"] == 1 else "N"
    yield "custom_race", rng.choice(_RACES) if rng.random() < 0.97 else None
    yield "custom_lep", "Y" if learns_english else "N"
    yield "simple_gpa", f"{gpa:.4f}" if older else None
    yield "weighted_gpa", f"{min(gpa + 0.25, 5):.4f}" if older else None
    yield "iep", int(rng.random() < 0.14)
    yield "lep", int(learns_english)
    yield "participant", int(rng.random() < 0.05)
    yield "giftedtalentedprograms_yn", rng.choice(["Y", "N", "N", "N", None])
