"""The rules of the three earlier scripts, written once more and plainly, as an oracle.

Belongs here: what the scripts write for rows without a fault, from PowerSchool's
tables, row by row and with all their habits. Not here: any of the project's own code.
Source: docs/reference/clever_sftp.md, columns.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Lines = dict[int, list[str]]

STUDENTS = [
    "Student_id",
    "State_id",
    "Student_number",
    "School_id",
    "Student_city",
    "Dob",
    "First_name",
    "Middle_name",
    "Last_name",
    "Gender",
    "Grade",
    "Student_state",
    "Student_Street",
    "Student_Zip",
    "Student_email",
    "Hispanic_Latino",
    "Race",
    "Ell_Status",
    "Frl_status",
    "IEP_status",
    "Section_504_status",
    "Gifted_status",
    "Unweighted_gpa",
    "Weighted_gpa",
]
TEACHERS = [
    "Teacher_id",
    "Teacher_number",
    "State_teacher_id",
    "School_id",
    "First_name",
    "Middle_name",
    "Last_name",
    "Teacher_email",
    "Title",
    "Username",
]
SECTIONS = [
    "School_id",
    "Section_id",
    "Teacher_id",
    "Teacher_2_id",
    "Teacher_3_id",
    "Teacher_4_id",
    "Teacher_5_id",
    "Teacher_6_id",
    "Teacher_7_id",
    "Teacher_8_id",
    "Teacher_9_id",
    "Teacher_10_id",
    "Course_name",
    "Course_number",
    "Section_number",
    "Period",
    "Subject",
    "Grade",
    "Term_start",
    "Term_end",
    "Term_name",
]
SUBJECTS = {
    "Eng": "English/language arts",
    "Mat": "Math",
    "Sci": "Science",
    "Pe": "PE and health",
    "Hlt": "PE and health",
    **dict.fromkeys(
        ("Gls", "Gov", "Uhi", "Social Studies", "Socialstudies"), "Social studies"
    ),
    **{name: name for name in ("Math", "Science", "Language")},
}


def students(tables: Tables) -> Lines:
    """Students.csv: cells by STUDENTS.ID."""
    lines: Lines = {}
    for row in tables["students"]:
        if row["enroll_status"] not in (0, -1):
            continue
        more: Row = {}
        for table in (
            *("u_def_ext_students0", "s_il_stu_x", "s_il_stu_plan504_x"),
            "s_stu_crdc_x",
        ):
            for other in tables[table]:
                if other["studentsdcid"] == row["dcid"]:
                    more |= other
        number = int(float(row["student_number"]))
        lunch = row["lunchstatus"]
        frl = "F" if "F" in lunch or lunch == "T" else "R" if lunch == "R" else "N"
        gpa = [more.get(name) for name in ("simple_gpa", "weighted_gpa")]
        cells = [
            int(row["id"]),
            int(row["state_studentnumber"]),
            number,
            int(row["schoolid"]),
            *(row[name] for name in ("city", "dob", "first_name", "middle_name")),
            *(row[name] for name in ("last_name", "gender", "grade_level", "state")),
            *(row[name] for name in ("street", "zip")),
            f"{number}@d118.org",
            *(more.get(f"custom_{name}") for name in ("ethnicity", "race", "lep")),
            frl,
            "Y" if more.get("iep") == 1 else "N",
            "Y" if more.get("participant") == 1 else "N",
            more.get("giftedtalentedprograms_yn") or "N",
            *("" if value is None else float(value) for value in gpa),
        ]
        lines[row["id"]] = ["" if cell is None else str(cell) for cell in cells]
    return lines


def teachers(tables: Tables) -> Lines:
    """Teachers.csv: cells by USERS.DCID."""
    lines: Lines = {}
    for row in tables["users"]:
        if not row["email_addr"] or row["homeschoolid"] in (0, 2, 136):
            continue
        places = [s for s in tables["schoolstaff"] if s["users_dcid"] == row["dcid"]]
        if not any(place["status"] == 1 for place in places):
            continue
        cells = [
            int(row["dcid"]),
            row["teachernumber"],
            row.get("sif_stateprid"),
            int(row["homeschoolid"]),
            *(row.get(n) for n in ("first_name", "middle_name", "last_name")),
            row["email_addr"].lower(),
            row["title"],
            row["teacherloginid"],
        ]
        lines[row["dcid"]] = ["" if cell is None else str(cell) for cell in cells]
    return lines


def sections(tables: Tables, now: dt.datetime) -> Lines:
    """Sections.csv: cells by SECTIONS.ID."""
    lines: Lines = {}
    for school in tables["schools"]:
        number = school["school_number"]
        if school["state_excludefromreporting"] != 0:
            continue
        own = [t for t in tables["terms"] if t["schoolid"] == number]
        current = None
        for term in own:
            start, end = (_midnight(term[name]) for name in ("firstday", "lastday"))
            if term["isyearrec"] == 1 and start - dt.timedelta(days=21) < now < end:
                current = term
        if current is None:
            continue
        for term in sorted(own, key=lambda t: int(t["id"])):
            if term["yearid"] == current["yearid"]:
                label = f"{term['abbreviation']} {current['abbreviation']}"
                if term["isyearrec"] == 1:
                    label = f"Year {term['abbreviation']}"
                _term(tables, number, term, label, lines)
    return lines


def _term(tables: Tables, school: int, term: Row, label: str, lines: Lines) -> None:
    for row in tables["sections"]:
        place = {"schoolid": school, "termid": term["id"]}
        if any(row[name] != value for name, value in place.items()):
            continue
        wanted = {**place, "sectionid": row["id"]}
        if not any(all(c[k] == v for k, v in wanted.items()) for c in tables["cc"]):
            continue
        people = _teachers(tables, row["id"])
        if not people:
            continue
        [course] = [
            c for c in tables["courses"] if c["course_number"] == row["course_number"]
        ]
        subject = (course["credittype"] or "").title()
        cells = [
            school,
            int(row["id"]),
            *(people + [""] * 10)[:10],
            course["course_name"],
            row["course_number"],
            row["section_number"],
            row["expression"].split("(")[0],
            SUBJECTS.get(subject, ""),
            _grade(row["grade_level"], school),
            *(_midnight(term[n]).strftime("%m/%d/%Y") for n in ("firstday", "lastday")),
            label,
        ]
        lines[row["id"]] = [str(cell) for cell in cells]


def _teachers(tables: Tables, section: int) -> list[str]:
    listed = [t for t in tables["sectionteacher"] if t["sectionid"] == section]
    found = []
    for row in sorted(listed, key=lambda t: int(t["roleid"])):
        [place] = [s for s in tables["schoolstaff"] if s["id"] == row["teacherid"]]
        [user] = [u for u in tables["users"] if u["dcid"] == place["users_dcid"]]
        if user["email_addr"]:
            found.append(str(user["dcid"]))
    return found


def _grade(level: int | None, school: int) -> str:
    if not level:
        return ""
    if level < 0:
        return "Preschool"
    text = str(level)
    if level > 12 or (level > 9 and school != 5):
        return f"{text[0]}-{text[-1]}"
    return text


def _midnight(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(day)
