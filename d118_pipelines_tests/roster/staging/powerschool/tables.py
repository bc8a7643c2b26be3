"""Raw extracts of PowerSchool for tests: from a few rows, or from a folder of tables.

Belongs here: set-up only. Not here: facts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.model.mapping import read_mapping
from d118_pipelines.roster.staging.powerschool import (
    RAW_COLLECTIONS,
    PowerSchoolSettings,
    prepare,
)
from d118_pipelines.roster.staging.raw_relations import RawCollection
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.staging.staging import StagingOptions, stage
from d118_pipelines.sources.powerschool.embedded import QUERIES_FOLDER, EmbeddedSource
from d118_pipelines.sources.powerschool.pull import QueriesSource
from d118_pipelines.sources.powerschool.schema import expected_schema
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines.sources.pull import run_pull
from d118_pipelines_tests.support.project import REPOSITORY

if TYPE_CHECKING:
    import duckdb

TODAY = dt.date(2025, 11, 3)
NOW = dt.datetime(2025, 11, 3, 12, tzinfo=dt.UTC)
DISTRICT = "district_118"
Rows = Sequence[Mapping[str, Any]]


def settings(today: dt.date = TODAY, **others: Any) -> PowerSchoolSettings:
    """Settings of the district with an e-mail domain; `others` change them."""
    given = {"student_email_domain": "d118.example", **others}
    return PowerSchoolSettings(DISTRICT, "Demonstration District", today, **given)


def files_of(folder: Path, **rows: Rows) -> dict[str, Path]:
    """One Parquet file per raw collection; columns that a row lacks are null."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in RAW_COLLECTIONS:
        schema = expected_schema(Query.read(QUERIES_FOLDER / f"{name}.sql"))
        given = rows.get(name, [])
        wrong = {column for row in given for column in row} - set(schema.names)
        assert not wrong, f"{name} has no {wrong}"
        files[name] = folder / f"{name}.parquet"
        columns = {c: [row.get(c) for row in given] for c in schema.names}
        pq.write_table(pa.table(columns, schema=schema), files[name])
    return files


def pulled(tables: Path, home: Path) -> dict[str, Path]:
    """Pull every raw collection from a folder of PowerSchool tables."""
    queries = [Query.read(QUERIES_FOLDER / f"{name}.sql") for name in RAW_COLLECTIONS]
    source = QueriesSource(EmbeddedSource(tables), queries)
    made = run_pull(source, home, provider="powerschool", run_id="demo-run", now=NOW)
    return {name: made.rows_file(name) for name in RAW_COLLECTIONS}


def staged(raw: Mapping[str, Path], folder: Path, given: PowerSchoolSettings) -> Staged:
    """Prepare and stage as a sync does."""
    folder.mkdir(parents=True, exist_ok=True)
    prepared = prepare(raw, given, folder)
    assert prepared.is_in_term
    collections = {
        name: RawCollection(name, file, file.name, "proven", False, 0)
        for name, file in {**raw, **prepared.files}.items()
    }
    mapping = read_mapping(
        REPOSITORY / "mappings/powerschool.yaml", project_root=REPOSITORY
    )
    duck = open_frames()
    try:
        return stage(
            duck,
            raw=collections,
            mapping=mapping,
            options=StagingOptions(district_id=DISTRICT, provider_id="powerschool"),
            parent=folder / "staged",
            run_id="demo-run",
            now=NOW,
            pull_findings=prepared.findings_file,
        )
    finally:
        duck.close()


def rows(duck: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    """The rows of a query; those of one column as plain values."""
    found = duck.execute(sql).fetchall()
    return [row[0] if len(row) == 1 else row for row in found]


ENTITIES = ("orgs", "terms", "courses", "classes", "users", "enrollments")


class Roster:
    """The staged frames by their names, `rejected` and `findings`, ready for SQL."""

    def __init__(self, made: Staged, raw: Mapping[str, Path]) -> None:
        import duckdb

        self.staged, self.raw, self.duck = made, raw, duckdb.connect()
        for entity in ENTITIES:
            file = made.rows_file(entity)
            self.duck.execute(f"CREATE VIEW {entity} AS FROM '{file}'")
        for name, file in (
            ("rejected", made.rejected_file),
            ("findings", made.findings_file),
        ):
            self.duck.execute(f"CREATE VIEW {name} AS FROM '{file}'")

    def add_tables(self, tables: Path) -> None:
        """Make `ps.<table>` of some of PowerSchool's tables."""
        self.duck.execute("CREATE SCHEMA ps")
        for name in ("cc", "sections", "students", "sectionteacher", "schoolstaff"):
            file = tables / f"{name}.csv"
            self.duck.execute(
                f"CREATE VIEW ps.{name} AS FROM read_csv('{file}', sample_size=-1)"
            )

    def rows(self, sql: str) -> list[Any]:
        """The rows of a query; those of one column as plain values."""
        return rows(self.duck, sql)

    def one(self, sql: str) -> Any:
        """The only row of a query."""
        [found] = self.rows(sql)
        return found
