"""Small rosters of record, and the sets that are made of them.

A roster is entity -> records in the form that staging gives them (`*_external_id`,
lists as lists), so that what was read back can be compared with it as it is. Not here:
facts about sets, and reading them without the project (`reader.py`).
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import uuid
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.store.snapshot import relation_columns
from d118_pipelines.targets.build import Export, Inputs, build_export
from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines.targets.ledger import Baseline, LedgerSnapshot
from d118_pipelines.workflows.targets.self_check import read_back
from d118_pipelines_tests.support.parquet_rows import write_rows
from d118_pipelines_tests.support.project import REPOSITORY

Record = dict[str, Any]
Roster = dict[str, list[Record]]
NOW = dt.datetime(2026, 9, 15, 12, tzinfo=dt.UTC)
CHANGED = dt.datetime(2026, 8, 1)
RELATIONS = [*ENTITIES, "class_terms", "user_roles", "user_agents"]


def role(school: str, word: str, model: str | None = None, **more: Any) -> Record:
    """A role of a user; `model` is the roster's word where it is another one."""
    first = {"school_external_id": school, "role": model or word, "source_role": word}
    rest = {"is_primary": True, "begin_date": None, "end_date": None}
    return {**first, **rest, **more}


# What docs/reference/oneroster_export.md shows as a set.
EXAMPLE: Roster = {
    "orgs": [
        {"external_id": "D100", "name": "Example District 100", "org_type": "district"}
        | {"sis_id": "100"},
        {"external_id": "S5", "name": "Example High School", "org_type": "school"}
        | {"sis_id": "5", "parent_external_id": "D100"},
    ],
    "terms": [
        {"external_id": "D100-3600", "name": "2026-27", "type": "schoolYear"}
        | {"start_date": "2026-08-17", "end_date": "2027-06-05", "school_year": 2027},
        {"external_id": "D100-3601", "name": "S1 2026-27", "type": "semester"}
        | {"start_date": "2026-08-17", "end_date": "2027-01-16", "school_year": 2027}
        | {"parent_external_id": "D100-3600"},
    ],
    "courses": [
        {"external_id": "C-812", "name": "Algebra I", "course_code": "MAT101"}
        | {"grades": ["09", "10"], "grade_level": "09", "school_external_id": "D100"}
        | {"subjects": ["Mathematics"], "subject_codes": ["MAT"]}
        | {"subject": "Mathematics", "school_year_external_id": "D100-3600"},
    ],
    "classes": [
        {"external_id": "51234", "name": "Algebra I - 3", "class_code": "MAT101-3"}
        | {"class_type": "scheduled", "room": "Room 12", "school_external_id": "S5"}
        | {"course_external_id": "C-812", "term_external_ids": ["D100-3601"]}
        | {"grades": ["09", "10"], "grade_level": "09", "periods": ["3"], "period": "3"}
        | {"subjects": ["Mathematics"], "subject_codes": ["MAT"]}
        | {"subject": "Mathematics", "primary_teacher_external_id": "T-77"},
    ],
    "users": [
        {"external_id": "S-9001", "username": "219001", "first_name": "Sam"}
        | {"last_name": "O'Neil, Jr.", "email": "219001@mail.example", "enabled": True}
        | {"identifier": "219001", "student_number": "219001", "state_id": "123456789"}
        | {"grades": ["09"], "grade_level": "09", "primary_school_external_id": "S5"}
        | {"birth_date": "2011-05-03", "gender": "male"}
        | {
            "user_ids": [
                {"type": "studentNumber", "identifier": "219001"},
                {"type": "stateId", "identifier": "123456789"},
            ],
            "roles": [role("S5", "student")],
        },
        {"external_id": "T-77", "username": "adoe", "first_name": "Alex"}
        | {"last_name": "Doe", "email": "adoe@mail.example", "enabled": True}
        | {"identifier": "77", "student_number": "77", "staff_id": "77"}
        | {"primary_school_external_id": "S5"}
        | {
            "user_ids": [{"type": "staffId", "identifier": "77"}],
            "roles": [role("D100", "teacher"), role("S5", "teacher")],
        },
    ],
    "enrollments": [
        {"external_id": "E-1", "user_external_id": "S-9001", "role": "student"}
        | {"class_external_id": "51234", "school_external_id": "S5"}
        | {"begin_date": "2026-08-17", "end_date": "2027-01-16"},
        {"external_id": "E-2", "user_external_id": "T-77", "role": "teacher"}
        | {"class_external_id": "51234", "school_external_id": "S5", "is_primary": True}
        | {"begin_date": "2026-08-17", "end_date": "2027-01-16"},
    ],
    "demographics": [
        {"external_id": "S-9001", "white": True}
        | dict.fromkeys(
            [
                *("american_indian_or_alaska_native", "asian"),
                "black_or_african_american",
                "native_hawaiian_or_other_pacific_islander",
                "demographic_race_two_or_more_races",
                "hispanic_or_latino_ethnicity",
            ],
            False,
        ),
    ],
}


def example() -> Roster:
    """The worked example, free to be changed."""
    return copy.deepcopy(EXAMPLE)


def record(roster: Roster, entity: str, external_id: str) -> Record:
    """One record of a roster."""
    [found] = [r for r in roster[entity] if r["external_id"] == external_id]
    return found


def internal_id(entity: str, external_id: str | None) -> str | None:
    """The roster's own id of a record."""
    if external_id is None:
        return None
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{entity} {external_id}"))


def write_roster(roster: Roster, folder: Path) -> dict[str, Path]:
    """The relations `roster.*` as Parquet files.

    Of a record that is neither active nor a disabled user only its links are there.
    """
    rows: Roster = {name: [] for name in RELATIONS}
    for entity, records in roster.items():
        for one in records:
            _add(rows, entity, one)
    paths = {}
    for name in RELATIONS:
        paths[name] = folder / f"{name}.parquet"
        write_rows(paths[name], relation_columns(name), rows[name])
    return paths


def _add(rows: Roster, entity: str, one: Record) -> None:
    own = internal_id(entity, one["external_id"])
    row: Record = {"id": own, "provider_id": "sis", "external_id": one["external_id"]}
    row["status"] = one.get("status", "active")
    row["inactive_reason"] = one.get("inactive_reason")
    row["updated_at"] = one.get("updated_at", CHANGED)
    for field in ENTITIES[entity].fields:
        value = one.get(field.name)
        if field.refers_to and field.kind != "list":
            value = internal_id(field.refers_to, value)
        elif isinstance(value, list):
            value = json.dumps(value) if value else None
        row[field.column] = value
    if entity == "demographics":
        row["user_id"] = internal_id("users", one["external_id"])
    if row["status"] == "active" or row["inactive_reason"] == "disabled":
        rows[entity].append(row)
    for term in one.get("term_external_ids") or []:
        rows["class_terms"].append(
            {"class_id": own, "term_id": internal_id("terms", term)}
        )
    for agent in one.get("agent_external_ids") or []:
        rows["user_agents"].append(
            {"user_id": own, "agent_id": internal_id("users", agent)}
        )
    for position, entry in enumerate(one.get("roles") or []):
        school = internal_id("orgs", entry["school_external_id"])
        rows["user_roles"].append(
            {**entry, "user_id": own, "position": position, "school_id": school}
        )


def target(folder: Path, options: Mapping[str, Any], **keys: Any) -> Target:
    """The project's layout with options and keys of a target of the test's own."""
    places = folder / "mappings"
    (places / "targets").mkdir(parents=True, exist_ok=True)
    if not (places / "layouts").exists():
        (places / "layouts").symlink_to(REPOSITORY / "mappings/layouts")
    text = (REPOSITORY / "mappings/targets/oneroster.yaml").read_text("utf-8")
    document = {**yaml.safe_load(text), **keys, "options": dict(options)}
    path = places / "targets/oneroster.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    return read_target(path, REPOSITORY / "sql/exports")


class Exports:
    """Exports of one target, each in a folder of its own."""

    def __init__(self, root: Path, *, keys: Mapping[str, Any] | None = None) -> None:
        self.root, self.made, self._keys = root, 0, dict(keys or {})

    def make(
        self,
        roster: Roster,
        *,
        after: Export | None = None,
        now: dt.datetime = NOW,
        delivered_at: dt.datetime = NOW - dt.timedelta(days=1),
        reads_back: bool = True,
        **options: Any,
    ) -> Export | None:
        """The set of a roster; `after` is the last verified delivery."""
        self.made += 1
        folder = self.root / f"made{self.made}"
        passing = folder / ".inputs"
        passing.mkdir(parents=True)
        return build_export(
            target(folder, options, **self._keys),
            inputs=Inputs({}, write_roster(roster, passing)),
            snapshot=LedgerSnapshot(
                (), None, False, Baseline("d1", "", delivered_at) if after else None
            ),
            baseline_folder=after.folder if after else None,
            destination="outbox",
            folder=folder,
            data_at=now,
            now=now,
            zone=ZoneInfo("America/Chicago"),
            read_back=partial(read_back, folder=passing) if reads_back else None,
        )


def exported(root: Path, roster: Roster, **options: Any) -> Export:
    """One set, read back by the importer; the verdict is with its rules."""
    export = Exports(root).make(roster, **options)
    assert export is not None
    return export


def archive(export: Export) -> Path:
    """The finished archive."""
    return export.folder / str(export.to_send[0]["name"])


def members(export: Export) -> dict[str, str]:
    """The members as text, by name and in their order."""
    with zipfile.ZipFile(archive(export)) as opened:
        return {name: opened.read(name).decode("utf-8") for name in opened.namelist()}


def broken(export: Export) -> dict[str, str]:
    """Code -> message of the rules that do not hold."""
    return {rule.code: rule.message for rule in export.rules if not rule.passed}


def found(export: Export) -> set[tuple[str, str, str]]:
    """(code, key, detail) of all findings."""
    return {(one.code, one.key, one.detail) for one in export.findings}
