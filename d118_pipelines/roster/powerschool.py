"""What PowerSchool's raw extracts need before the mapping can read them.

Belongs here: the settings, the term window and the shared relations, all made by the
files of `sql/staging/powerschool/`. Not here: the shape of the entities, which
`mappings/powerschool.yaml` and its queries give. Rule: docs/reference/powerschool.md.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

SQL_FOLDER = Path(__file__).parents[2] / "sql" / "staging" / "powerschool"
RAW_COLLECTIONS = (
    "schools",
    "terms",
    "courses",
    "sections",
    "students",
    "staff",
    "enrollments",
    "section_teachers",
)


@dataclass(frozen=True, slots=True)
class PowerSchoolSettings:
    """What the queries know of the district besides PowerSchool's rows.

    today: a date in the district's time zone. lead_days, tail_days: how long before its
    first and after its last day a school year counts as current. state_exclude: whether
    buildings excluded from state reporting are no orgs of their own.
    """

    district_id: str
    district_name: str
    today: dt.date
    lead_days: int = 21
    tail_days: int = 0
    student_email_domain: str | None = None
    state_exclude: bool = True


def prepare(duck: duckdb.DuckDBPyConnection, settings: PowerSchoolSettings) -> bool:
    """Make the relations that the mapping's queries share; True: there is a current year.

    In: a view `raw.<name>` for each of RAW_COLLECTIONS, with `_collection` and `_row`.
    Out: tables raw.settings, raw.buildings, raw.current_terms, raw.kept_sections.
    False: no school is in term. Nothing is due then, and nothing may be planned from it.
    Raises: ConfigurationError if every building is excluded.
    """
    values = asdict(settings)
    columns = ", ".join(f"${name} AS {name}" for name in values)
    duck.execute(
        f"CREATE OR REPLACE TABLE raw.settings AS SELECT * REPLACE ("
        "CAST(student_email_domain AS VARCHAR) AS student_email_domain)"
        f" FROM (SELECT {columns})",
        values,
    )
    _make(duck, "buildings", settings, "district_id", "state_exclude")
    if not _count(duck, "raw.buildings WHERE is_kept"):
        raise _no_building()
    _make(duck, "current_terms", settings, "today", "lead_days", "tail_days")
    _make(duck, "kept_sections", settings)
    return _count(duck, "raw.current_terms") > 0


def findings_sql() -> str:
    """The SELECT of what the rules left out: entity, code, severity, external_id, field."""
    return _read("findings")


def _make(
    duck: duckdb.DuckDBPyConnection,
    name: str,
    settings: PowerSchoolSettings,
    *parameters: str,
) -> None:
    statement = f"CREATE OR REPLACE TABLE raw.{name} AS {_read(name)}"
    duck.execute(statement, {p: getattr(settings, p) for p in parameters})


def _read(name: str) -> str:
    return (SQL_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def _count(duck: duckdb.DuckDBPyConnection, rows: str) -> int:
    [[count]] = duck.execute(f"SELECT count(*) FROM {rows}").fetchall()
    return int(count)


def _no_building() -> ConfigurationError:
    return ConfigurationError(
        "PowerSchool has no building that the roster may keep.",
        where="SCHOOLS.STATE_EXCLUDEFROMREPORTING is 1 in every row",
        rule="docs/reference/powerschool.md, buildings",
        not_done="Nothing was staged.",
        next_step="Set state_exclude: false in the provider's config in "
        "config/providers.yaml, or correct the buildings in PowerSchool.",
    )
