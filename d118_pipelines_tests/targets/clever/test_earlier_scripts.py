"""With all settings off the files say what the earlier scripts' files said.

Clean rows of a made-up district, compared with a second writing of the old rules
(`earlier_scripts.py`): same header line, same identifiers, same value in every field.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from d118_pipelines.demo.data import FIRST_NAMES, LAST_NAMES
from d118_pipelines_tests.targets.clever import earlier_scripts as earlier
from d118_pipelines_tests.targets.clever.small_district import (
    SEMESTER_1,
    SEMESTER_2,
    YEAR,
    CleverSync,
    District,
)

CREDITS = (
    *[
        "ENG",
        "MAT",
        "SCI",
        "GLS",
        "GOV",
        "UHI",
        "PE",
        "HLT",
        "MATH",
        "Science",
        "LANGUAGE",
        "ART",
    ],
    None,
)
EXPRESSIONS = ("3(A)", "1-2(A-B)", "7(A-E)", "HR")
LEVELS = (None, 0, -1, 1, 5, 8, 9, 10, 12, 23, 345, 67, 910, 1112)


def clean_district(rng: random.Random) -> District:
    """Rows that the earlier scripts write correctly, of every kind that they know."""
    made = District()
    made.add_school(1003, "Example Middle School", 6, 8)
    made.add_school(901, "Pre-Enrollment", 0, 12)
    made.tables["schools"][-1]["state_excludefromreporting"] = 1
    for number in range(1, 90):
        _student(made, rng, number)
    for number in range(5001, 5041):
        home = rng.choice((5, 1003, 2001, 0, 2, 136))
        made.add_teacher(
            number, home, **_names(rng), sif_stateprid=rng.choice((None, "007"))
        )
        made.tables["schoolstaff"][-1]["status"] = rng.choice((1, 1, 1, 2))
    for number, credit in enumerate(CREDITS):
        name = f"Course {number}: α & more"
        made.add("courses", dcid=50 + number, course_number=f"C{number}")
        made.tables["courses"][-1] |= {"course_name": name, "schoolid": 0}
        made.tables["courses"][-1]["credittype"] = credit
    listed = list(earlier.teachers(made.tables))
    for number in range(1, 80):
        _section(made, rng, number, listed)
    return made


def _names(rng: random.Random) -> dict[str, str | None]:
    names = {"first_name": rng.choice(FIRST_NAMES), "last_name": rng.choice(LAST_NAMES)}
    return {**names, "middle_name": rng.choice((None, "Lee"))}


def _student(made: District, rng: random.Random, number: int) -> None:
    made.add_student(
        number,
        **_names(rng),
        enroll_status=rng.choice((0, 0, 0, -1, 2, 3)),
        schoolid=rng.choice((5, 1003, 2001, 901)),
        state_studentnumber=str(rng.randrange(10**8, 10**9)),
        grade_level=rng.randrange(-2, 13),
        gender=rng.choice("MFX"),
        lunchstatus=rng.choice(("F", "FDC", "T", "R", "P", "E")),
        dob=f"20{rng.randrange(10, 22)}-0{rng.randrange(1, 10)}-11",
    )
    if rng.random() < 0.8:
        made.extend(
            number,
            "u_def_ext_students0",
            custom_ethnicity=rng.choice(("Y", "N")),
            custom_race=rng.choice((*"WBAIM", None)),
            custom_lep=rng.choice(("Y", "N", None)),
            simple_gpa=rng.choice((None, "3.5000", "4.0000", "2.3333", "0.5000")),
            weighted_gpa=rng.choice((None, "4.7500", "3.0000")),
        )
    made.extend(number, "s_il_stu_x", iep=rng.choice((None, 0, 1)))
    made.extend(number, "s_il_stu_plan504_x", participant=rng.choice((None, 0, 1)))
    gifted = rng.choice((None, "Y", "N"))
    made.extend(number, "s_stu_crdc_x", giftedtalentedprograms_yn=gifted)


def _section(
    made: District, rng: random.Random, number: int, listed: list[int]
) -> None:
    row = made.add_section(
        number,
        school=rng.choice((5, 1003, 2001, 901)),
        term=rng.choice((YEAR, SEMESTER_1, SEMESTER_2)),
        course_number=f"C{rng.randrange(len(CREDITS))}",
        section_number=rng.choice(("1", "02", "12A")),
        expression=rng.choice(EXPRESSIONS),
        grade_level=rng.choice(LEVELS),
    )
    # One person of each role, so that the role alone decides about the order.
    people = rng.sample(listed, rng.randrange(0, 11))
    roles = rng.sample(range(1, 20), len(people))
    for person, role in zip(people, roles, strict=True):
        made.teach(number, person, role=role)
    for student in rng.sample(range(1, 90), rng.choice((0, 1, 5))):
        made.enroll(student, row, rng.choice((1, 1, -1)))


@pytest.mark.long
@pytest.mark.parametrize("seed", [118, 2026])
def test_all_settings_off_give_what_the_earlier_scripts_gave(
    tmp_path: Path, seed: int
) -> None:
    district = clean_district(random.Random(seed))
    sync = CleverSync(tmp_path, district)
    sync.run()

    for file, header, lines in (
        ("Students.csv", earlier.STUDENTS, earlier.students(district.tables)),
        ("Teachers.csv", earlier.TEACHERS, earlier.teachers(district.tables)),
        (
            "Sections.csv",
            earlier.SECTIONS,
            earlier.sections(district.tables, sync.now.replace(tzinfo=None)),
        ),
    ):
        written = sync.lines(file)
        assert written[0] == ",".join(f'"{name}"' for name in header)
        found = {row[_id_of(file)]: row for row in sync.parsed(file)}
        assert len(found) == len(written) - 1
        expected = {
            str(key): dict(zip(header, cells, strict=True))
            for key, cells in lines.items()
        }
        assert len(expected) > 10
        assert found == expected
    assert {finding.code for finding in sync.findings()} == {"clever_sftp.no_teacher"}


def _id_of(file: str) -> str:
    """`Student_id` of Students.csv."""
    return file.removesuffix("s.csv") + "_id"
