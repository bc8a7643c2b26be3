"""References between records: what a row points at must be there, live and of its kind.

Called by `staging.py` for each entity, after `row_rules.py` and `key_rules.py`; the SQL
is in sql/roster/staging.sql. Rule: docs/reference/staging.md, references.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import literal, statement
from d118_pipelines.roster.model.entities import ENTITIES, Field
from d118_pipelines.roster.staging.findings import (
    Rule,
    RuleSet,
    judge_table,
    leave_out,
)

if TYPE_CHECKING:
    import duckdb

# Fields whose target must be of one kind.
_KINDS = {
    ("classes", "school_external_id"): "school",
    ("enrollments", "school_external_id"): "school",
    ("courses", "school_year_external_id"): "schoolYear",
}
_TREES = ("orgs", "terms")


def _sql(name: str, **values: str) -> str:
    return statement(f"roster/staging.{name}", **values)


def accepted(entity: str) -> str:
    """The rows of `work.<entity>` that no rule has rejected so far."""
    return _sql("accepted", entity=entity)


def keep_keys(
    duck: duckdb.DuckDBPyConnection,
    entity: str,
    *,
    known: str | None,
    is_staged: bool,
) -> None:
    """Make `ok.<entity>`: the records that a reference may point at.

    known: a relation with the `external_id` of records in the roster, to be added.
    """
    if is_staged:
        duck.execute(_sql(f"keep_{entity}", accepted=accepted(entity)))
    else:
        duck.execute(_sql("no_keys", entity=entity))
    if known is not None:
        duck.execute(_sql("known_keys", entity=entity, known=known))


class References:
    """Judges the references of one entity; `targets` are the entities to look in.

    empty: fields without any value, which lead nowhere. required: fields that the
    mapping asks for, besides those of the model.
    """

    def __init__(
        self,
        duck: duckdb.DuckDBPyConnection,
        entity: str,
        targets: Collection[str],
        *,
        empty: Collection[str] = (),
        fills_school: bool = False,
        required: Collection[str] = (),
    ) -> None:
        self.duck, self.entity, self.targets = duck, entity, targets
        self.empty, self.fills_school, self.required = empty, fills_school, required
        self.rules = RuleSet()
        self._conditions: dict[int, str] = {}
        self._joins: list[str] = []
        self._causes: list[str] = []
        self._blank: dict[str, list[int]] = {}

    def judge(self) -> None:
        """Report, fill `out.<entity>`, and make `refs_<entity>(n, masks)`."""
        for one in self._fields(is_list=False):
            self._judge_one(one)
        for one in self._fields(is_list=True):
            self._judge_elements(one)
        if self.entity in _TREES and "parent_external_id" in self._blank:
            self._judge_tree()
        if self.entity == "classes":
            self._judge_title()
        if self.entity == "enrollments":
            self._judge_enrollment()
        if self.entity == "demographics" and "users" in self.targets:
            self._judge_described()
        if self.entity == "users":
            self._judge_primary_school()
        self._find_broken()

    def _find_broken(self) -> None:
        table = f"refs_{self.entity}"
        if not self._conditions:
            self.duck.execute(f"CREATE OR REPLACE TABLE {table} (n BIGINT)")
            return
        fields = [f.name for f in self._fields(is_list=False)]
        columns = ", ".join(
            ["w.n, w.external_id, w.source_file, w.source_line"]
            + [f"w.{name}" for name in fields]
            + self._causes
            + self.rules.masks(self._conditions)
        )
        self.duck.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM (SELECT {columns} "
            f"FROM {accepted(self.entity)} w {' '.join(self._joins)}) "
            f"WHERE {self.rules.any_broken()}"
        )
        leave_out(self.duck, self.entity, table, self.rules)

    def value(self, name: str) -> str:
        """The field of `w`, blank where its reference leads nowhere (joined: `refs`)."""
        broken = [self.rules.broken(n, "refs.") for n in self._blank.get(name, [])]
        if not broken:
            return f"w.{name}"
        return f"CASE WHEN {' OR '.join(broken)} THEN NULL ELSE w.{name} END"

    def looks_up(self, one: Field) -> bool:
        """Whether the field's records are looked for."""
        return (
            one.refers_to in self.targets
            and (one.required or one.name not in self.empty)
            and one.name != "primary_teacher_external_id"
        )

    def _fields(self, *, is_list: bool) -> list[Field]:
        fields = ENTITIES[self.entity].fields
        return [f for f in fields if self.looks_up(f) and (f.kind == "list") == is_list]

    def _add(self, rule: Rule, condition: str) -> int:
        number = self.rules.add(rule)
        self._conditions[number] = condition
        return number

    def _warn(self, code: str, field: str, condition: str) -> int:
        return self._add(Rule(code, "warn", field), condition)

    def _judge_one(self, one: Field) -> None:
        name = one.name
        to = f"to_{name.removesuffix('_external_id')}"
        self._joins.append(
            f"LEFT JOIN ok.{one.refers_to} {to} ON {to}.external_id = w.{name}"
        )
        is_required = one.required or name in self.required
        code = "ref.orphan" if is_required else "ref.orphan_optional"
        orphan = self._add(
            Rule(code, "reject" if is_required else "warn", name, _cause(one)),
            f"w.{name} IS NOT NULL AND {to}.external_id IS NULL",
        )
        if not is_required:
            self._blank[name] = [orphan]
        self._warn(
            "ref.deleted_target", name, f"w.status = 'active' AND {to}.is_deleted"
        )
        kind = _KINDS.get((self.entity, name))
        if kind is not None:
            self._warn("ref.wrong_type", name, f"{to}.kind <> {literal(kind)}")

    def _judge_elements(self, one: Field) -> None:
        """Elements of a list that lead nowhere: `gone_<field>(n, gone)`."""
        table = f"gone_{one.name}"
        self.duck.execute(
            _sql(
                "gone_elements",
                field=one.name,
                target=str(one.refers_to),
                accepted=accepted(self.entity),
            )
        )
        self._joins.append(f"LEFT JOIN {table} ON {table}.n = w.n")
        self._causes.append(f"{table}.cause AS cause_{one.name}")
        rule = Rule("ref.orphan_element", "warn", one.name, f"cause_{one.name}")
        self._add(rule, f"{table}.n IS NOT NULL")

    def _judge_tree(self) -> None:
        """A chain of parents that leads back to itself: the parent becomes blank."""
        self.duck.execute(_sql("circle", accepted=accepted(self.entity)))
        self._joins.append("LEFT JOIN circle ON circle.origin = w.external_id")
        parent = "parent_external_id"
        number = self._warn("ref.cycle", parent, "circle.origin IS NOT NULL")
        self._blank[parent].append(number)

    @property
    def title(self) -> str:
        """SQL: the name of a class, else that of its course, else its code."""
        course = ENTITIES["classes"].field("course_external_id")
        name = "to_course.name" if self.looks_up(course) else "NULL"
        return f"coalesce(w.name, {name}, w.class_code)"

    def _judge_title(self) -> None:
        missing = Rule("row.missing_required", "reject", "name")
        self._add(missing, f"{self.title} IS NULL")
        self._warn(
            "row.defaulted", "name", f"w.name IS NULL AND {self.title} IS NOT NULL"
        )

    def _judge_described(self) -> None:
        """The own key of demographics is that of the user described."""
        self._joins.append("LEFT JOIN ok.users u ON u.external_id = w.external_id")
        cause = "'the user that it describes was not accepted'"
        rule = Rule("ref.orphan", "reject", "external_id", cause)
        self._add(rule, "u.external_id IS NULL")

    def _judge_primary_school(self) -> None:
        self._joins.append("LEFT JOIN roles_of_users r ON r.n = w.n")
        self._warn(
            "sem.primary_org_without_role",
            "primary_school_external_id",
            "NOT list_contains(r.schools, w.primary_school_external_id)",
        )

    def _judge_enrollment(self) -> None:
        if "classes" in self.targets:
            school = "to_class.school"
            if self.fills_school:
                self._warn(
                    "row.defaulted",
                    "school_external_id",
                    f"w.school_external_id IS NULL AND {school} IS NOT NULL",
                )
            self._warn(
                "sem.school_mismatch",
                "school_external_id",
                f"w.school_external_id <> {school}",
            )
        if {"classes", "terms"} <= set(self.targets):
            self.duck.execute(_sql("spans"))
            self._joins.append("LEFT JOIN spans ON spans.class = w.class_external_id")
            self._warn(
                "sem.outside_term",
                "begin_date",
                "(w.begin_date < spans.starts OR w.end_date > spans.ends) "
                "AND (w.begin_date < w.end_date) IS NOT false",
            )
        if "users" in self.targets:
            self._warn(
                "sem.role_mismatch",
                "role",
                "w.role = 'student' AND NOT to_user.has_student "
                "OR w.role = 'teacher' AND NOT to_user.has_staff",
            )


def _cause(one: Field) -> str:
    """SQL: whether the record pointed at has another case, was rejected or not sent."""
    return _sql("cause", field=one.name, target=str(one.refers_to))


def judge_enrollment_sets(duck: duckdb.DuckDBPyConnection) -> None:
    """Rules over several enrollments, and `primary_teachers(class, teacher)`."""
    rows = accepted("enrollments")
    primary = _sql("primary_enrollments", accepted=rows)
    duck.execute(_sql("primary_teachers", primary=primary))
    for code, found, keys in (
        (
            "sem.duplicate_enrollment",
            _sql("repeated_enrollments", accepted=rows),
            "user_external_id, class_external_id, role",
        ),
        ("sem.multiple_primary_teacher", primary, "class_external_id"),
    ):
        is_broken = "coalesce(begin_date, DATE '0001-01-01') < ended"
        overlaps = _sql("overlaps", rows=found, keys=keys)
        judge_table(
            duck, "enrollments", "hits", overlaps, [(Rule(code, "warn"), is_broken)]
        )


def judge_people(duck: duckdb.DuckDBPyConnection) -> None:
    """Report rows that are one person: each names the other one."""
    other = "'the same person as ' || if(external_id = first_id, last_id, first_id)"
    same = _sql("same_people", accepted=accepted("users"))
    rule = Rule("id.same_person", "warn", "external_id", other)
    judge_table(duck, "users", "hits", same, [(rule, "first_id <> last_id")])
