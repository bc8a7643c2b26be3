"""Buildings, terms and students of the demonstration district.

Called by `district.py`: the rows that follow the school year. It runs from 1 July to
30 June, so that every day lies in one. Students belong to the year of their graduation:
each July they move up, and a new class starts.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence

from d118_pipelines.demo.data import DATA, FIRST_NAMES, LAST_NAMES, TOWNS, phone, street
from d118_pipelines.demo.staff import Row

GRADUATES, PRE_ENROLLED = 999999, 901
_PER_CLASS = 320
_RACES = "WWWWWBAIM"
_COLUMNS = {
    "u_def_ext_students0": "custom_ethnicity custom_race custom_lep simple_gpa weighted_gpa",
    "s_il_stu_x": "iep lep",
    "s_il_stu_plan504_x": "participant",
    "s_stu_crdc_x": "giftedtalentedprograms_yn",
}


def start_year(today: dt.date) -> int:
    """Return the calendar year in which the school year of `today` began."""
    return today.year if today.month >= 7 else today.year - 1


def buildings() -> list[Row]:
    """Return the SCHOOLS rows; only the six schools count for state reporting."""
    rows = sorted([*DATA["schools"], *DATA["other_buildings"]])
    return [
        {
            "dcid": dcid,
            "id": dcid,
            "school_number": number,
            "name": name,
            "abbreviation": short,
            "low_grade": low,
            "high_grade": high,
            "state_excludefromreporting": int(low is None),
            "schoolphone": f"847-555-{100 + dcid:04}",
            "schooladdress": f"{dcid} School St",
            "principal": None if low is None else f"Principal of {short}",
            "principalemail": None if low is None else f"{short}@d118.example".lower(),
            "schoolcity": "Wauconda",
            "schoolstate": "IL",
            "schoolzip": "60084",
        }
        for dcid, (number, short, name, low, high) in enumerate(rows, start=1)
    ]


def terms(today: dt.date) -> list[Row]:
    """Return the TERMS rows of the district (0) and each school.

    This year with its semesters and quarters; last and next year without.
    """
    start = start_year(today)
    schools = (0, *(number for number, *_ in DATA["schools"]))
    this = [
        (school, start, place)
        for school in schools
        for place in range(len(DATA["terms"]))
    ]
    others = [
        (school, year, 0) for year in (start - 1, start + 1) for school in schools
    ]
    return [term_row(dcid, *one) for dcid, one in enumerate([*this, *others], start=1)]


def term_row(dcid: int, school: int, start: int, place: int = 0) -> Row:
    """Return one TERMS row of the school year that begins in `start`."""
    name, abbreviation, portion, first, last = DATA["terms"][place]
    short = f"{start % 100:02}-{(start + 1) % 100:02}"
    return {
        "dcid": dcid,
        "id": (start - 1990) * 100 + place,
        "name": name.format(f"{start}-{start + 1}"),
        "abbreviation": abbreviation.format(short),
        "firstday": _day(start, first),
        "lastday": _day(start, last),
        "yearid": start - 1990,
        "schoolid": school,
        "portion": portion,
        "isyearrec": int(portion == 1),
    }


def _day(start: int, month_day: tuple[int, int]) -> str:
    return dt.date(start + (month_day[0] < 7), *month_day).isoformat()


def students(seed: int, today: dt.date) -> Iterator[Row]:
    """Yield the students from pre-kindergarten to grade 12 and the last graduates."""
    start = start_year(today)
    for grade in (-2, -1, *range(13), 99):
        graduation = start if grade == 99 else start + 13 - grade
        rng = random.Random(f"{seed}:students:{graduation}")
        count = _PER_CLASS + rng.randrange(-20, 21)
        for place in range(min(count, 30) if grade < 0 else count):
            yield _student(rng, graduation, place, grade)


def _student(rng: random.Random, graduation: int, place: int, grade: int) -> Row:
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    number = 210_000 + graduation % 40 * 450 + place
    status, school = _status(rng.random(), grade, rng.randrange(6))
    birthday = dt.date(graduation - 18, 9, 1) + dt.timedelta(days=-rng.randrange(365))
    town, zip_code = rng.choice(TOWNS)
    address = street(rng)
    dcid = (graduation - 1990) * 1000 + place
    return {
        "dcid": dcid,
        "id": dcid + 7,
        "student_number": f"{number}.0",
        "state_studentnumber": f"{rng.randrange(10**8, 10**9)}",
        "first_name": first,
        "middle_name": "Lee" if place % 4 == 0 else None,
        "last_name": last,
        "gender": rng.choice("MF"),
        "dob": birthday.isoformat(),
        "grade_level": grade,
        "enroll_status": status,
        "schoolid": school,
        "sched_yearofgraduation": graduation,
        "street": address,
        "city": town,
        "state": "IL",
        "zip": zip_code,
        "home_phone": phone(rng),
        "lunchstatus": rng.choice([None, "F", "P", "R"]),
    }


def _status(roll: float, grade: int, home: int) -> tuple[int, int]:
    """Return ENROLL_STATUS and the building; most students are active (0)."""
    if grade == 99:
        return 3, GRADUATES
    if grade == 0 and roll < 0.03:
        return -1, PRE_ENROLLED
    fitting = [
        number for number, *_, low, high in DATA["schools"] if low <= grade <= high
    ]
    return (2 if roll > 0.98 else 0), fitting[home % len(fitting)]


def extension_tables(seed: int, students: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of the extension tables; some students have none.

    Everything follows from the DCID, so a student keeps it from year to year.
    """
    tables: dict[str, list[Row]] = {name: [] for name in _COLUMNS}
    for student in students:
        rng = random.Random(f"{seed}:records:{student['dcid']}")
        values = _values(rng, student)
        for name, columns in _COLUMNS.items():
            if rng.random() < 0.9:
                row = {column: values[column] for column in columns.split()}
                tables[name].append({"studentsdcid": student["dcid"], **row})
    return tables


def _values(rng: random.Random, student: Row) -> Row:
    learns_english = rng.random() < 0.12
    gpa = round(rng.uniform(1.2, 4.0), 4)
    older = student["grade_level"] > 8
    return {
        "custom_ethnicity": rng.choice("NNY"),
        "custom_race": rng.choice(_RACES) if rng.random() < 0.97 else None,
        "custom_lep": "Y" if learns_english else "N",
        "simple_gpa": f"{gpa:.4f}" if older else None,
        "weighted_gpa": f"{min(gpa + 0.25, 5):.4f}" if older else None,
        "iep": int(rng.random() < 0.14),
        "lep": int(learns_english),
        "participant": int(rng.random() < 0.05),
        "giftedtalentedprograms_yn": rng.choice(["Y", "N", "N", "N", None]),
    }
