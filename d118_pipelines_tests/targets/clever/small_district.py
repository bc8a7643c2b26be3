"""A small PowerSchool for Clever's files, and reading what became of it.

Belongs here: clean default rows, the tables' CSV files, parsed output. Not here: facts.

By default the high school 5 (grades 9-12) and the elementary school 2001 (0-5) are in
the year 2026-08-17 to 2027-05-28 with two semesters; Ana (USERS.DCID 4001) teaches
section 51234 at school 5 in semester 1, and Sam (STUDENTS.ID 9001) takes it.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from d118_pipelines.workflows.targets.export import MadeExport, make_export
from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.sync import Sync

Row = dict[str, Any]
TABLES = {
    **dict.fromkeys(
        ("schools", "terms", "courses", "students", "cc", "users", "schoolstaff"),
        "dcid",
    ),
    **dict.fromkeys(("sections", "sectionteacher"), "id"),
    **dict.fromkeys(
        ("u_def_ext_students0", "s_il_stu_x", "s_il_stu_plan504_x", "s_stu_crdc_x"),
        "studentsdcid",
    ),
}
FIRST, LAST = dt.date(2026, 8, 17), dt.date(2027, 5, 28)
YEAR, SEMESTER_1, SEMESTER_2 = 3600, 3601, 3602
TAUGHT: Row = {"teachers": [4001], "students": [9001]}
"""What a section has that Ana teaches and Sam takes."""


class District:
    """The tables' rows; tests add to them or change them in place."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = {name: [] for name in TABLES}
        self.add_school(5, "Example High School", 9, 12)
        self.add_school(2001, "Example Elementary School", 0, 5)
        self.add_teacher(4001)
        self.add_student(9001)
        self.add("courses", dcid=1, course_number="MAT101", course_name="Algebra I")
        self.tables["courses"][0] |= {"schoolid": 0, "credittype": "MAT"}
        self.add_section(51234, teachers=[4001], students=[9001])

    def add(self, table: str, **columns: Any) -> Row:
        """Add a row to a table."""
        self.tables[table].append(columns)
        return columns

    def add_school(self, number: int, name: str, low: int, high: int) -> None:
        """Add a school that counts, with the year and its semesters."""
        self.add("schools", dcid=number, school_number=number, name=name)
        self.tables["schools"][-1] |= {"low_grade": low, "high_grade": high}
        self.tables["schools"][-1]["state_excludefromreporting"] = 0
        for term, label, first, last in (
            (YEAR, "26-27", FIRST, LAST),
            (SEMESTER_1, "S1", FIRST, dt.date(2027, 1, 15)),
            (SEMESTER_2, "S2", dt.date(2027, 1, 18), LAST),
        ):
            self.add_term(number, term, label, first, last)

    def add_term(
        self, school: int, number: int, label: str, first: dt.date, last: dt.date
    ) -> Row:
        """Add a term; the numbers of year terms end in 00."""
        is_year = number % 100 == 0
        return self.add(
            "terms",
            dcid=len(self.tables["terms"]) + 1,
            id=number,
            schoolid=school,
            yearid=number // 100,
            isyearrec=int(is_year),
            portion=1 if is_year else 2,
            abbreviation=label,
            firstday=first.isoformat(),
            lastday=last.isoformat(),
        )

    def add_teacher(self, dcid: int, home: int | None = 5, **columns: Any) -> Row:
        """Add a person of that home school who is current there."""
        row = self.add(
            "users",
            dcid=dcid,
            first_name="Ana",
            last_name="Ruiz",
            homeschoolid=home,
            teachernumber=f"T{dcid}",
            email_addr=f"P{dcid}@d118.example",
            **{"title": "Teacher", "teacherloginid": f"login{dcid}"},
        )
        row |= columns
        if home is not None:
            self.place(dcid, home)
        return row

    def place(self, person: int, school: int, status: int = 1, kind: int = 1) -> int:
        """Add a row of SCHOOLSTAFF; returns its ID."""
        number = 70_000 + len(self.tables["schoolstaff"])
        row = {"dcid": number + 5, "id": number, "users_dcid": person}
        row |= {"schoolid": school, "status": status, "staffstatus": kind}
        self.tables["schoolstaff"].append(row)
        return number

    def add_student(self, number: int, **columns: Any) -> Row:
        """Add an active student with that STUDENTS.ID; the DCID is another number."""
        row = self.add(
            "students",
            dcid=number + 50_000,
            id=number,
            student_number=f"{number + 210_000}.0",
            state_studentnumber=f"{number}77",
            first_name="Sam",
            middle_name=None,
            last_name="Lee",
            gender="F",
            dob="2011-03-04",
            grade_level=9,
            enroll_status=0,
            schoolid=5,
            street="12 Main St",
            city="Wauconda",
            state="IL",
            zip="60084",
            lunchstatus="P",
        )
        row |= columns
        return row

    def extend(self, student: int, table: str, **columns: Any) -> None:
        """Add a student's row of an extension table."""
        self.add(table, studentsdcid=student + 50_000, **columns)

    def add_section(
        self,
        number: int,
        *,
        teachers: Sequence[int] = (),
        students: Sequence[int] = (),
        school: int = 5,
        term: int = SEMESTER_1,
        **columns: Any,
    ) -> Row:
        """Add a section with its teachers, the first as lead, and its students."""
        row = self.add(
            "sections",
            dcid=number + 7,
            id=number,
            schoolid=school,
            termid=term,
            course_number="MAT101",
            section_number="3",
            expression="3(A)",
            grade_level=9,
        )
        row |= columns
        for place, person in enumerate(teachers):
            self.teach(number, person, role=min(place + 1, 2))
        for student in students:
            self.enroll(student, row)
        return row

    def teach(
        self, section: int, person: int, *, role: int = 1, **columns: Any
    ) -> None:
        """Add a row of SECTIONTEACHER for one of the person's placements."""
        placed = [
            r["id"] for r in self.tables["schoolstaff"] if r["users_dcid"] == person
        ]
        number = len(self.tables["sectionteacher"]) + 1
        row = {"id": number, "teacherid": placed[0], "sectionid": section}
        self.add("sectionteacher", **{**row, "roleid": role, **columns})

    def enroll(self, student: int, section: Row, sign: int = 1, **columns: Any) -> Row:
        """Add a row of CC for the whole term; `sign` -1 is a dropped class."""
        number = 800 + len(self.tables["cc"])
        row = {
            "dcid": number,
            "id": number + 1,
            "studentid": student,
            "sectionid": sign * section["id"],
            "termid": sign * section["termid"],
            "schoolid": section["schoolid"],
            "dateenrolled": FIRST.isoformat(),
            "dateleft": (LAST + dt.timedelta(days=1)).isoformat(),
        }
        return self.add("cc", **{**row, **columns})

    def write(self, folder: Path) -> None:
        """Write the tables as PowerSchool's CSV files."""
        for name, key in TABLES.items():
            rows = self.tables[name]
            header = list(dict.fromkeys([key, *(c for row in rows for c in row)]))
            path = folder / f"{name}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, header)
                writer.writeheader()
                writer.writerows(rows)


class CleverSync(Sync):
    """A sync of Clever's files from a small district; `options` change its settings."""

    def __init__(
        self,
        folder: Path,
        district: District | None = None,
        changes: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        texts = {
            str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
            for path in (REPOSITORY / "sql/exports/clever_sftp").glob("*.sql")
        }
        settings = {f"options.{name}": value for name, value in options.items()}
        super().__init__(
            folder, "clever_sftp", changes={**settings, **(changes or {})}, files=texts
        )
        self.set_district(district or District())

    def set_district(self, district: District) -> None:
        """Replace PowerSchool's tables."""
        district.write(self.tables)

    def made_with(self, **options: Any) -> Made:
        """Change settings of the target and build the files of the same extracts."""
        self.change({f"options.{name}": value for name, value in options.items()})
        return Made(self.export_again())

    def on(self, day: str) -> CleverSync:
        """Let it be that day, 15:30 in New York."""
        moment = dt.datetime.fromisoformat(f"{day}T15:30")
        self.now = moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=-5)))
        return self

    def made(self) -> Made:
        """Extract and build the files; nothing is sent."""
        return Made(self.export())

    def parsed(self, file: str) -> list[dict[str, str]]:
        """The rows of a delivered file by header."""
        return parsed(self.files()[file].decode("utf-8"))

    def is_made(self) -> bool:
        """Build the files of the newest extracts; False out of term."""
        run_id = uuid.uuid4().hex
        made = make_export(self.project, self.target, run_id=run_id, now=self.now)
        return made is not None


class Made:
    """Finished files, parsed as RFC 4180 says, and findings by code."""

    def __init__(self, made: MadeExport) -> None:
        self.export = made.export

    def text(self, file: str) -> str:
        """The bytes of a file as text, line ends as they are."""
        return (self.export.folder / file).read_bytes().decode("utf-8")

    def rows(self, file: str) -> list[dict[str, str]]:
        """The rows of a file by header."""
        return parsed(self.text(file))

    def by_id(self, file: str, column: str) -> dict[str, dict[str, str]]:
        """The rows of a file by their identifier, which must stand once."""
        rows = self.rows(file)
        found = {row[column]: row for row in rows}
        assert len(found) == len(rows)
        return found

    def students(self) -> dict[str, dict[str, str]]:
        """Students.csv by Student_id."""
        return self.by_id("Students.csv", "Student_id")

    def teachers(self) -> dict[str, dict[str, str]]:
        """Teachers.csv by Teacher_id."""
        return self.by_id("Teachers.csv", "Teacher_id")

    def sections(self) -> dict[str, dict[str, str]]:
        """Sections.csv by Section_id."""
        return self.by_id("Sections.csv", "Section_id")

    def findings(self) -> dict[tuple[str, str], str]:
        """Code (without `clever_sftp.`) and key of every finding, and its detail."""
        return {
            (f.code.removeprefix("clever_sftp."), f.key): f.detail
            for f in self.export.findings
        }

    def codes(self, *keys: int | str) -> set[str]:
        """The codes of the findings with one of these keys."""
        wanted = {str(key) for key in keys}
        return {code for code, key in self.findings() if key in wanted}


def parsed(text: str) -> list[dict[str, str]]:
    """The rows of a CSV text; every row has as many cells as the header."""
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def teachers_of(section: Mapping[str, str]) -> list[str]:
    """The teachers of a row of Sections.csv, in order."""
    names = ["Teacher_id", *(f"Teacher_{n}_id" for n in range(2, 11))]
    cells = [section[name] for name in names]
    given = [cell for cell in cells if cell]
    assert cells == given + [""] * (10 - len(given)), "no gap between teachers"
    return given
