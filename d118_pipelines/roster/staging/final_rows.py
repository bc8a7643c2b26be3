"""The last statement of staging: the frame of one entity.

Called by `staging.py`: what is filled in from other entities. References that lead
nowhere are found in `reference_rules.py`. Rule: docs/reference/roster_model.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.model.entities import COMMON_COLUMNS, ENTITIES
from d118_pipelines.roster.staging.reference_rules import References, accepted

# Fields that another entity gives, and which one.
KEPT_FIELDS = {
    "classes": ("primary_teacher_external_id",),
    "users": ("birth_date", "gender"),
}
GIVEN_BY = {"classes": "enrollments", "users": "demographics"}


def final_select(
    entity: str,
    references: References,
    staged: Collection[str],
    kept: Mapping[str, str] | None = None,
) -> str:
    """The SELECT of the frame: exactly the staged columns.

    kept: entity -> relation with what the roster has of fields that other entities
    give, where those are not sent or only in part.
    """
    columns = ENTITIES[entity].staged_columns()
    values = {name: f"w.{name}" for name in COMMON_COLUMNS}
    joins = [f"LEFT JOIN refs_{entity} refs ON refs.n = w.n"]
    for one in ENTITIES[entity].fields:
        values[one.name] = references.value(one.name)
        if one.kind == "list" and references.looks_up(one):
            values[one.name] = statement("roster/values.without_gone", field=one.name)
            joins.append(f"LEFT JOIN gone_{one.name} ON gone_{one.name}.n = w.n")
    joins += _fill(entity, values, references, staged)
    joins += _keep(entity, values, kept or {})
    chosen = ", ".join(
        f"CAST({values[name]} AS {kind}) AS {name}" for name, kind in columns.items()
    )
    return f"SELECT {chosen} FROM {accepted(entity)} w {' '.join(joins)}"


def _fill(
    entity: str,
    values: dict[str, str],
    references: References,
    staged: Collection[str],
) -> list[str]:
    """Fields that come from other entities; returns the joins they need."""
    if entity == "classes":
        return _fill_classes(values, references, staged)
    if entity == "enrollments" and "classes" in references.targets:
        own = values["school_external_id"]
        values["school_external_id"] = f"coalesce({own}, c.school)"
        return ["LEFT JOIN ok.classes c ON c.external_id = w.class_external_id"]
    if entity != "users":
        return []
    joins = ["LEFT JOIN roles_of_users roles ON roles.n = w.n"]
    values["roles"] = "roles.roles"
    school = values["primary_school_external_id"]
    values["primary_school_external_id"] = f"coalesce({school}, roles.school)"
    if "demographics" in staged:
        joins.append(
            f"LEFT JOIN {accepted('demographics')} d ON d.external_id = w.external_id"
        )
        for name in ("birth_date", "gender"):
            values[name] = f"coalesce(d.{name}, w.{name})"
    return joins


def _fill_classes(
    values: dict[str, str], references: References, staged: Collection[str]
) -> list[str]:
    joins = []
    values["name"] = references.title
    if "courses" in references.targets:
        joins.append(
            "LEFT JOIN ok.courses to_course "
            "ON to_course.external_id = w.course_external_id"
        )
    if "enrollments" in staged:
        values["primary_teacher_external_id"] = "pt.teacher"
        joins.append("LEFT JOIN primary_teachers pt ON pt.class = w.external_id")
    return joins


def _keep(entity: str, values: dict[str, str], kept: Mapping[str, str]) -> list[str]:
    """What was not sent stays as the roster has it; returns the join it needs."""
    if entity not in kept:
        return []
    for name in KEPT_FIELDS[entity]:
        values[name] = f"coalesce({values[name]}, kept.{name})"
    return [f"LEFT JOIN {kept[entity]} kept ON kept.external_id = w.external_id"]
