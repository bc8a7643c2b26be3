"""The roster model: entities, their fields, and what a field may refer to.

Read by all of `roster/` and by `workflows/`; words are in `vocabulary.py`, tables in
`tables.py`. Staged frames have references as `*_external_id`, the roster tables as internal
ids (`school_id`); lists are JSON text in both. Rule: docs/reference/roster_model.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "number", "boolean", "date", "list"]

# The columns that every staged frame begins with, and their DuckDB types.
COMMON_COLUMNS: dict[str, str] = {
    "external_id": "VARCHAR",  # key of the frame: unique, never null
    "status": "VARCHAR",  # active, inactive
    "inactive_reason": "VARCHAR",  # tobedeleted, disabled; null while active
    "source_modified_at": "TIMESTAMP",
    "source_file": "VARCHAR",  # the file or collection that the record came in
    "source_line": "BIGINT",  # its line there, or its number in the collection from 1
    "raw_collection": "VARCHAR",  # the raw extract that holds the record
    "raw_row": "BIGINT",  # its row there, from 0
}

DUCKDB_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "integer": "INTEGER",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "list": "VARCHAR",  # JSON text, null when empty
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity; `refers_to` names the entity of a reference."""

    name: str
    kind: Kind = "text"
    refers_to: str | None = None
    required: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether its column holds one internal id."""
        return self.refers_to is not None and self.kind != "list"

    @property
    def column(self) -> str:
        """The column of the roster table: an internal id where the field refers."""
        if not self.is_reference:
            return self.name.replace("_external_ids", "_ids")
        return self.name.removesuffix("_external_id") + "_id"


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of record; `name` is its staged frame and its roster table."""

    name: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """The field of that name. Raises: KeyError."""
        return {f.name: f for f in self.fields}[name]

    def staged_columns(self) -> dict[str, str]:
        """All columns of the staged frame with their DuckDB types, in order."""
        own = {f.name: DUCKDB_TYPES[f.kind] for f in self.fields}
        return {**COMMON_COLUMNS, **own}


def _texts(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name) for name in names)


def _lists(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "list") for name in names)


ORGS = Entity(
    "orgs",  # districts and schools; the tables `districts` and `schools`
    (
        Field("name", required=True),
        Field("org_type", required=True),
        Field("parent_external_id", refers_to="orgs"),
        *_texts("sis_id", "state_id", "nces_id", "low_grade", "high_grade", "phone"),
        *_texts("address_street", "address_city", "address_state", "address_zip"),
        *_texts("principal_name", "principal_email"),
    ),
)

TERMS = Entity(
    "terms",
    (
        Field("name", required=True),
        Field("type", required=True),  # gradingPeriod, semester, schoolYear, term
        Field("school_year", "integer"),  # the year in which the school year ends
        Field("start_date", "date", required=True),
        Field("end_date", "date", required=True),  # exclusive
        Field("parent_external_id", refers_to="terms"),
        Field("school_external_id", refers_to="orgs"),
    ),
)

COURSES = Entity(
    "courses",
    (
        Field("name", required=True),
        *_texts("course_code", "course_number", "subject", "grade_level"),
        *_lists("subjects", "subject_codes", "grades"),
        Field("description"),
        Field("credits", "number"),
        Field("sis_id"),
        Field("school_external_id", refers_to="orgs"),
        Field("school_year_external_id", refers_to="terms"),
    ),
)

CLASSES = Entity(
    "classes",
    (
        Field("school_external_id", refers_to="orgs", required=True),
        Field("course_external_id", refers_to="courses"),
        Field("term_external_ids", "list", refers_to="terms"),
        Field("name", required=True),
        *_texts("class_code", "class_type", "section_number", "subject", "grade_level"),
        Field("period"),
        *_lists("subjects", "subject_codes", "grades", "periods"),
        *_texts("room", "sis_id"),
        # Derived from the enrollments: the one primary teacher, else null.
        Field("primary_teacher_external_id", refers_to="users"),
    ),
)

USERS = Entity(
    "users",
    (
        *_texts("username", "email"),
        # At least one of the two names is there.
        *_texts("first_name", "middle_name", "last_name"),
        *_texts("preferred_first_name", "preferred_middle_name"),
        *_texts("preferred_last_name", "pronouns", "title", "grade_level"),
        Field("grades", "list"),
        Field("graduation_year", "integer"),
        Field("birth_date", "date"),
        *_texts("gender", "student_number", "staff_id", "identifier"),
        Field("user_ids", "list"),  # of {"type", "identifier"}
        *_texts("master_identifier", "sis_id", "state_id", "phone", "sms"),
        Field("primary_school_external_id", refers_to="orgs"),
        Field("enabled", "boolean"),
        # Sorted; each {"school_external_id", "role", "source_role", "is_primary",
        # "begin_date", "end_date"}. The table `user_roles` is made from it.
        Field("roles", "list", required=True),
        # Sorted external ids of the guardians; the table `user_agents`.
        Field("agent_external_ids", "list", refers_to="users"),
    ),
)

ENROLLMENTS = Entity(
    "enrollments",
    (
        Field("user_external_id", refers_to="users", required=True),
        Field("class_external_id", refers_to="classes", required=True),
        Field("school_external_id", refers_to="orgs"),
        Field("role", required=True),
        Field("is_primary", "boolean"),
        Field("begin_date", "date"),
        Field("end_date", "date"),  # exclusive
    ),
)

DEMOGRAPHICS = Entity(
    "demographics",  # external_id is that of the user described
    (
        Field("american_indian_or_alaska_native", "boolean"),
        Field("asian", "boolean"),
        Field("black_or_african_american", "boolean"),
        Field("native_hawaiian_or_other_pacific_islander", "boolean"),
        Field("white", "boolean"),
        Field("demographic_race_two_or_more_races", "boolean"),
        Field("hispanic_or_latino_ethnicity", "boolean"),
        *_texts("country_of_birth_code", "state_of_birth_abbreviation"),
        *_texts("city_of_birth", "public_school_residence_status"),
    ),
)

# In the order in which records may refer to each other.
ENTITIES: dict[str, Entity] = {
    e.name: e for e in (ORGS, TERMS, COURSES, CLASSES, USERS, ENROLLMENTS, DEMOGRAPHICS)
}

USER_ROLES = [
    *("student", "teacher", "aide", "staff", "admin", "district_admin"),
    *("parent", "guardian", "proctor", "relative"),
]
ENROLLMENT_ROLES = ["student", "teacher", "aide", "administrator", "proctor"]
CONTACT_ROLES = ["parent", "guardian", "relative"]
