"""The benchmark's baseline: a staff export as a district's own script does it.

Person by person: one query for the people, then one query per person for the extension
tables, lines put together in Python, files copied to a folder. The known faults of such
scripts are repaired, so that its files equal those of the product. Standard library
only; PowerSchool is a SQLite database. Not here: guards, ledger, checks of a delivery.

    python bench/plain_script.py hr_records --database FILE --out FOLDER
    python bench/plain_script.py smartfind --database FILE --out FOLDER --newest-dcid N

Rules: `docs/reference/hr_records.md`, `docs/reference/smartfind_express.md`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

Person = sqlite3.Row
Record = list[object]
Findings = list[tuple[str, int]]

PEOPLE = """
    SELECT u.dcid, u.first_name, u.middle_name, u.last_name, u.homeschoolid,
           u.teachernumber, u.email_addr, u.home_phone, u.street, u.city, u.state,
           u.zip, s.users_dcid AS home_row, s.status, s.staffstatus,
           s.status IS NOT 1 AND EXISTS (
             SELECT 1 FROM schoolstaff a WHERE a.users_dcid = u.dcid AND a.status = 1
           ) AS active_elsewhere
    FROM users u
    LEFT JOIN schoolstaff s
      ON s.users_dcid = u.dcid AND s.schoolid = u.homeschoolid
    WHERE u.email_addr IS NOT NULL
    ORDER BY u.dcid
"""
STAFF_DETAILS = """
    SELECT c.dob, c.gender, x.legal_first_name, x.legal_last_name, h.personal_email
    FROM users u
    LEFT JOIN userscorefields c ON c.usersdcid = u.dcid
    LEFT JOIN s_il_usr_x x ON x.usersdcid = u.dcid
    LEFT JOIN u_humanresources h ON h.usersdcid = u.dcid
    WHERE u.dcid = ?
"""
HR_DATA = """
    SELECT calendar, contractemp, sfe_position, custom_times,
           start_time, end_time, am_time, pm_time,
           start_time_2, end_time_2, am_time_2, pm_time_2,
           time1_monday, time1_tuesday, time1_wednesday, time1_thursday, time1_friday,
           time2_monday, time2_tuesday, time2_wednesday, time2_thursday, time2_friday
    FROM u_humanresources WHERE usersdcid = ?
"""
BAD_NAMES = {
    "use", "training1", "trianing2", "trianing3", "trianing4", "planning", "admin",
    "nurse", "user", "test", "testtt",
}  # fmt: skip
HR_BAD_NAMES = BAD_NAMES | {"use "}
SMARTFIND_BAD_NAMES = BAD_NAMES | {
    "user ", "payroll", "human", "benefits", "do not", "plugin", "mba",
}  # fmt: skip
STAFF_HEADER = (
    "Global Identifier\tEmployee ID\tFirst Name\tLast Name\tWork Email\tBuilding ID\t"
    "Home Phone\tBirth Date\tGender\tUsername\tPersonal Email\tMiddle Name\t"
    "Street Address\tCity\tState\tZip\tStatus\tDeactivated\tDCID"
)
JOB_HEADER = "Employee ID\tJob Type\tBuilding ID\tFirst Name\tLast Name"
JOB_TYPES = {1: "Teacher", 3: "Lunch Staff", 4: "Substitute"}
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
CONTROL_OR_PIPE = re.compile("[|\x00-\x1f\x7f-\x9f\u2028\u2029]+")
ACCESS_ID = re.compile(r"0*([1-9][0-9]{0,8})")
TICKED = {"1", "Y", "T", "TRUE", "YES"}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
P1, W2, E1 = "P1ProfileBasic.csv", "W2SSO.csv", "E1PlusEmployeeWorkSchedule.csv"
ONBOARDING, SUBSTITUTES, DEFAULT_CALENDAR = 2, 500, "100"


def clean(values: Record, forbidden: re.Pattern[str]) -> tuple[list[str], bool]:
    """Return the values as text without control characters, and whether any had one."""
    texts = ["" if value is None else str(value) for value in values]
    cleaned = [forbidden.sub(" ", text) if text else "" for text in texts]
    return cleaned, cleaned != texts


def refusal(person: Person, bad_names: set[str], allow: set[int]) -> str:
    """Return the code of the first rule that keeps the person out, or ''."""
    if person["home_row"] is None:
        return "home_school_row_missing"
    if not person["first_name"] or not person["last_name"]:
        return "missing_name"
    names = {person["first_name"].lower(), person["last_name"].lower()}
    is_bad = names & bad_names and person["dcid"] not in allow
    return "bad_name" if is_bad else ""


def kept_of_each(people: Iterable[tuple[str, Person]]) -> dict[str, int]:
    """Map each key to the DCID that keeps it: the first active one, else the first."""
    first: dict[str, int] = {}
    first_active: dict[str, int] = {}
    for key, person in people:
        first.setdefault(key, person["dcid"])
        if person["status"] == 1:
            first_active.setdefault(key, person["dcid"])
    return first | first_active


def hr_refusal(person: Person, allow: set[int]) -> str:
    """Return why HR Records does not get the person, apart from shared e-mail."""
    if not person["email_addr"].strip():
        return "blank_email"
    if person["homeschoolid"] is None:
        return "no_home_school"
    if code := refusal(person, HR_BAD_NAMES, allow):
        return code
    return "" if (person["teachernumber"] or "").strip() else "missing_employee_id"


def hr_row(database: sqlite3.Connection, person: Person) -> Record:
    """Return the 19 values of StaffData.txt for one person, not yet cleaned."""
    more = database.execute(STAFF_DETAILS, (person["dcid"],)).fetchone()
    mail = person["email_addr"]
    return [
        mail, person["teachernumber"],
        more["legal_first_name"] or person["first_name"],
        more["legal_last_name"] or person["last_name"],
        mail, person["homeschoolid"], person["home_phone"], more["dob"],
        more["gender"], mail, more["personal_email"], person["middle_name"],
        person["street"], person["city"], person["state"], person["zip"],
        person["status"] or None,
        "False" if person["status"] == 1 else "True", person["dcid"],
    ]  # fmt: skip


def hr_records(
    database: sqlite3.Connection, allow: set[int]
) -> tuple[dict[str, list[str]], Findings]:
    """Return the lines of both HR Records files, without newline, and the findings."""
    findings: Findings = []
    people = []
    for person in database.execute(PEOPLE):
        if code := hr_refusal(person, allow):
            findings.append((code, person["dcid"]))
        else:
            people.append((person["email_addr"].strip().lower(), person))
    keeper = kept_of_each(people)
    staff, jobs = [STAFF_HEADER], [JOB_HEADER]
    holders: dict[str, list[int]] = {}
    for mail, person in people:
        if keeper[mail] != person["dcid"]:
            findings.append(("duplicate_email", person["dcid"]))
            continue
        values, was_dirty = clean(hr_row(database, person), CONTROL)
        job = JOB_TYPES.get(person["staffstatus"], "Staff")
        staff.append("\t".join(values))
        jobs.append("\t".join([values[1], job, values[5], values[2], values[3]]))
        holders.setdefault(person["teachernumber"], []).append(person["dcid"])
        if was_dirty:
            findings.append(("control_characters", person["dcid"]))
        if person["active_elsewhere"]:
            findings.append(("active_elsewhere", person["dcid"]))
    shared = [dcids for dcids in holders.values() if len(dcids) > 1]
    findings += [("duplicate_employee_id", dcid) for dcids in shared for dcid in dcids]
    return {"StaffData.txt": staff, "Job Types.txt": jobs}, findings


def is_ticked(value: object) -> bool:
    """Return whether a check box is ticked, in any of the spellings in use."""
    return str(value).upper() in TICKED


def access_id(number: str | None) -> tuple[str, str]:
    """Return the access id of an employee number and '', or '' and a finding's code."""
    text = (number or "").strip(" ")
    if match := ACCESS_ID.fullmatch(text):
        return match[1], ""
    return "", "access_id_invalid" if text else "access_id_missing"


Candidate = tuple[str, Person, sqlite3.Row | None]


def is_substitute(person: Person) -> bool:
    """Return whether the home building is the one of the substitutes."""
    return bool(person["homeschoolid"] == SUBSTITUTES)


def is_contract(candidate: Candidate) -> bool:
    """Return whether the person is marked as a contract employee."""
    data = candidate[2]
    return data is not None and is_ticked(data["contractemp"])


def smartfind_people(
    database: sqlite3.Connection, allow: set[int], findings: Findings
) -> Iterator[Candidate]:
    """Yield access id, person and HR data of all that may go out, in DCID order."""
    for person in database.execute(PEOPLE):
        is_blank = not person["email_addr"].strip()
        if is_blank or person["homeschoolid"] in (None, ONBOARDING):
            continue
        code = refusal(person, SMARTFIND_BAD_NAMES, allow)
        access, number_code = access_id(person["teachernumber"])
        data = database.execute(HR_DATA, (person["dcid"],)).fetchone()
        candidate = access, person, data
        if not (code := code or number_code) and is_contract(candidate):
            code = "" if is_substitute(person) else "contract_employee"
        if code:
            findings.append((code, person["dcid"]))
        else:
            yield candidate


def profile(command: str, candidate: Candidate) -> Record:
    """Return the 38 values of one record of P1ProfileBasic.csv."""
    access, person, data = candidate
    active = "Y" if person["status"] == 1 else "N"
    values: Record = [""] * 38
    values[0:7] = [
        "P", command, "1", access, person["home_phone"],
        person["first_name"], person["last_name"],
    ]  # fmt: skip
    values[17:20] = [person["email_addr"], "Y", active]
    values[37] = "Y"
    if is_substitute(person):
        values[18:20] = ["N", "N"]
        values[23:26] = ["Y", active, "Y" if command == "A" else ""]
    elif data is not None and data["calendar"]:
        values[20] = data["calendar"]
    elif active == "N" or command == "A":
        values[20] = DEFAULT_CALENDAR
    return values


def boxes(data: sqlite3.Row, schedule: int) -> str:
    """Return the days of one schedule as seven letters, Sunday first."""
    ticks = [is_ticked(data[f"time{schedule}_{day}"]) for day in WEEKDAYS]
    return "N" + "".join("Y" if tick else "N" for tick in ticks) + "N"


def schedules(command: str, candidate: Candidate) -> tuple[list[Record], set[str]]:
    """Return the records of one employee's schedules, 15 values each, and codes."""
    access, person, data = candidate
    needed = ("sfe_position", "start_time", "end_time")
    if data is None or not all((data[column] or "").strip() for column in needed):
        return [], {"no_work_schedule"} if person["status"] == 1 else set()
    custom = "Y" if is_ticked(data["custom_times"]) else "N"

    def record(order: str, days: str, suffix: str) -> Record:
        return [
            "E", command, "1", access, order, person["homeschoolid"], "1",
            data["sfe_position"], data[f"start_time{suffix}"],
            data[f"end_time{suffix}"], "N", days,
            data[f"am_time{suffix}"], data[f"pm_time{suffix}"], custom,
        ]  # fmt: skip

    first, second = boxes(data, 1), boxes(data, 2)
    if "Y" not in second:
        return [record("1", "NYYYYYN", "")], set()
    codes = set() if "Y" in first else {"days_empty"}
    records = [record("1", first, "")]
    if not all((data[f"{end}_time_2"] or "").strip() for end in ("start", "end")):
        return records, codes | {"schedule2_incomplete"}
    if ("Y", "Y") in set(zip(first, second, strict=True)):
        codes.add("days_overlap")
    return [*records, record("2", second, "_2")], codes


def smartfind_records(
    candidate: Candidate, command: str
) -> tuple[list[tuple[str, Record]], set[str]]:
    """Return one person's records, each with its file's name, and the codes."""
    access, person, _ = candidate
    records: list[Record] = []
    codes: set[str] = set()
    if not is_substitute(person):
        records, codes = schedules(command, candidate)
    elif is_contract(candidate):
        codes.add("contract_substitute")
    if person["teachernumber"] != person["teachernumber"].strip(" "):
        codes.add("access_id_trimmed")
    sign_on = ["W", command, "2", "1", access, person["email_addr"]]
    first = [(P1, profile(command, candidate)), (W2, sign_on)]
    return first + [(E1, record) for record in records], codes


def smartfind(
    database: sqlite3.Connection, allow: set[int], newest_dcid: int
) -> tuple[dict[str, list[str]], Findings]:
    """Return the lines of the three SmartFind files, without newline, and findings."""
    findings: Findings = []
    people = list(smartfind_people(database, allow, findings))
    keeper = kept_of_each((access, person) for access, person, _ in people)
    files: dict[str, list[str]] = {P1: [], W2: [], E1: []}
    for candidate in people:
        access, person, _ = candidate
        dcid = person["dcid"]
        if keeper[access] != dcid:
            findings.append(("access_id_duplicate", dcid))
            continue
        command = "C" if dcid <= newest_dcid else "A"
        records, codes = smartfind_records(candidate, command)
        for name, record in records:
            values, was_dirty = clean(record, CONTROL_OR_PIPE)
            files[name].append("|".join(values) + "|")
            codes |= {"control_characters"} if was_dirty else set()
        if person["active_elsewhere"]:
            codes.add("active_elsewhere")
        findings += [(code, dcid) for code in sorted(codes)]
    return files, findings


def deliver(files: dict[str, list[str]], out: Path) -> None:
    """Write the files to a scratch folder, then copy them to `out`, in order."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, lines in files.items():
            text = "".join(f"{line}\n" for line in lines)
            Path(scratch, name).write_text(text, encoding="utf-8", newline="\n")
        for name in files:
            shutil.copyfile(Path(scratch, name), out / name)


def main() -> None:
    """Make one export; each finding is a line `WARN code DCID` on standard output."""
    parser = argparse.ArgumentParser(description="Export staff, person by person.")
    parser.add_argument("export", choices=["hr_records", "smartfind"])
    parser.add_argument("--database", type=Path, required=True, help="SQLite file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--newest-dcid", type=int, default=0, help="above it: add")
    parser.add_argument("--allow-name", type=int, nargs="*", default=[], help="DCIDs")
    chosen = parser.parse_args()
    allow = set(chosen.allow_name)
    with closing(sqlite3.connect(chosen.database)) as database:
        database.row_factory = sqlite3.Row
        if chosen.export == "hr_records":
            files, findings = hr_records(database, allow)
        else:
            files, findings = smartfind(database, allow, chosen.newest_dcid)
    for code, dcid in findings:
        print("WARN", code, dcid)
    deliver(files, chosen.out)


if __name__ == "__main__":
    main()
