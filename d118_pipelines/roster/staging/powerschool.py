"""What PowerSchool's raw extracts need before the mapping can read them.

Called by `workflows/providers/staging_inputs.py`: the settings, the term window and the
shared relations, all made by the files of sql/staging/powerschool/. The shape of the
entities is in mappings/powerschool.yaml and its queries; they run in `staging.py`.
Rule: docs/reference/powerschool.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.frames import count_of, open_frames, write_parquet
from d118_pipelines.kernel.shipped import SHIPPED, file_of
from d118_pipelines.kernel.sql_text import literal

if TYPE_CHECKING:
    import duckdb

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
SHARED = ("settings", "buildings", "current_terms", "kept_sections")
FINDINGS_FILE = "findings.parquet"


@dataclass(frozen=True, slots=True)
class PowerSchoolSettings:
    """What the queries know about the district besides PowerSchool's rows.

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


@dataclass(frozen=True, slots=True)
class Prepared:
    """The shared relations as files, one per name of SHARED, and what to report.

    is_in_term: a school year is current at one school at least. Otherwise nothing is
    due: a roster without terms would deactivate everything, so none may be staged.
    findings_file: findings in the form of a pull's.
    """

    is_in_term: bool
    files: Mapping[str, Path]
    findings_file: Path


def prepare(
    raw: Mapping[str, Path],
    settings: PowerSchoolSettings,
    folder: Path,
    root: Path = SHIPPED,
) -> Prepared:
    """Write the relations that the mapping's queries share into `folder`.

    raw: the Parquet file of each of RAW_COLLECTIONS. The shared files are handed to
    staging as further raw collections. root: the folder whose own queries come first.
    Raises: ConfigurationError if every building is excluded.
    """
    with closing(open_frames()) as duck:
        duck.execute("CREATE SCHEMA raw")
        for name in RAW_COLLECTIONS:
            duck.execute(
                f"CREATE VIEW raw.{name} AS SELECT *, file_row_number AS _row"
                f" FROM read_parquet({literal(raw[name])}, file_row_number = true)"
            )
        is_in_term = make_shared(duck, settings, root)
        files = {name: folder / f"{name}.parquet" for name in SHARED}
        for name, file in files.items():
            write_parquet(duck, f"FROM raw.{name}", file)
        write_parquet(duck, _read("findings", root), folder / FINDINGS_FILE)
    return Prepared(is_in_term, files, folder / FINDINGS_FILE)


def make_shared(
    duck: duckdb.DuckDBPyConnection,
    settings: PowerSchoolSettings,
    root: Path = SHIPPED,
) -> bool:
    """Make the tables `raw.<name>` of SHARED; True: a school year is current.

    In: `raw.<name>` for each of RAW_COLLECTIONS, with the row number `_row`.
    Raises: ConfigurationError if every building is excluded.
    """
    values = asdict(settings)
    columns = ", ".join(f"${name} AS {name}" for name in values)
    duck.execute(
        "CREATE TABLE raw.settings AS SELECT * REPLACE (CAST(student_email_domain AS"
        f" VARCHAR) AS student_email_domain) FROM (SELECT {columns})",
        values,
    )
    _make(duck, root, "buildings", settings, "district_id", "state_exclude")
    if not count_of(duck, "raw.buildings WHERE is_kept"):
        raise _no_building()
    days = "lead_days", "tail_days"
    _make(duck, root, "current_terms", settings, "today", *days)
    _make(duck, root, "kept_sections", settings)
    return count_of(duck, "raw.current_terms") > 0


def _make(
    duck: duckdb.DuckDBPyConnection,
    root: Path,
    name: str,
    settings: PowerSchoolSettings,
    *parameters: str,
) -> None:
    statement = f"CREATE TABLE raw.{name} AS {_read(name, root)}"
    duck.execute(statement, {p: getattr(settings, p) for p in parameters})


def _read(name: str, root: Path) -> str:
    path = file_of(root, f"sql/staging/powerschool/{name}.sql")
    return path.read_text(encoding="utf-8")


def _no_building() -> ConfigurationError:
    return ConfigurationError(
        "PowerSchool has no building that the roster may keep.",
        where="SCHOOLS.STATE_EXCLUDEFROMREPORTING is 1 in every row",
        rule="docs/reference/powerschool.md, buildings",
        not_done="Nothing was staged.",
        next_step="Set state_exclude: false in the provider's config in "
        "config/providers.yaml, or correct the buildings in PowerSchool.",
    )
