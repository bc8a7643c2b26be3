"""A finished OneRoster set, read back by this project's own importer before it is sent.

Called by `export.py`. The importer is `sources/oneroster_csv/` and `roster/staging/`;
which of its findings count is said here.
Rule: docs/reference/oneroster_export.md, read back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.shipped import SHIPPED
from d118_pipelines.kernel.sql_text import literal, statement
from d118_pipelines.roster.model.mapping import read_mapping
from d118_pipelines.roster.staging.raw_relations import RawCollection
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.staging.staging import StagingOptions, stage
from d118_pipelines.sources.oneroster_csv.place import LocalPlace
from d118_pipelines.sources.oneroster_csv.source import OneRosterCsvSource
from d118_pipelines.sources.pull import Pull, run_pull
from d118_pipelines.workflows.providers.staging_inputs import (
    raw_collections,
    rest_shape,
)

if TYPE_CHECKING:
    import duckdb

NAME = "self_check"
# What the importer only warns about, and a set must not change or is configured to have: the year
# that the roster gives a session, identifiers that differ in case alone, people with two
# rows, texts as the roster has them, and files that
# the option empty_files sends as a header.
_NO_FAULT = (
    *("sem.school_year", "id.case_collision", "id.same_person", "row.placeholder"),
    *("row.invisible", "bundle.empty_file"),
)
# File -> entity of the records that a delta set may point at without sending them.
_REFERRED = {
    "orgs": "orgs",
    "academic_sessions": "terms",
    "courses": "courses",
    "classes": "classes",
    "users": "users",
}


def read_back(archive: Path, folder: Path) -> list[str]:
    """Every finding of severity warn or above: code, file, line, sourcedId.

    archive: the finished set. In its folder are the kept tables of all files, in which
    the references of a delta set are looked up. folder: an empty place for the frames,
    which hold people; the caller removes it.
    """
    work = folder / NAME
    try:
        pull = _pulled(archive, work)
        staged = _staged(archive, pull, work)
    except IncompleteExtractError as exc:
        return [f"{exc.what} {exc.where}".strip()]
    found = pull.findings_file if staged is None else staged.findings_file
    return _counted(found, pull) if found.is_file() else []


def _pulled(archive: Path, work: Path) -> Pull:
    source = OneRosterCsvSource(LocalPlace(archive))
    now = dt.datetime.now(dt.UTC)
    return run_pull(source, work / "raw", provider=NAME, run_id=NAME, now=now)


def _staged(archive: Path, pull: Pull, work: Path) -> Staged | None:
    """The staged set; None where it has no file of records."""
    mapping = read_mapping(SHIPPED / "mappings/oneroster.yaml", project_root=SHIPPED)
    mapping = rest_shape(mapping, pull.details, SHIPPED)
    if not mapping.endpoints:
        return None
    raw = raw_collections(pull, pull.folder)
    spill = work / "spill"
    spill.mkdir(mode=0o700)
    with closing(open_frames(temp_folder=spill)) as duck:
        if any(one.is_delta for one in raw.values()):
            _look_up_in_kept_tables(duck, archive.parent, raw)
        return stage(
            duck,
            raw=raw,
            mapping=mapping,
            options=StagingOptions(NAME, NAME, role_map=_extension_words(duck, raw)),
            parent=work / "staged",
            run_id=NAME,
            now=dt.datetime.now(dt.UTC),
            pull_findings=pull.findings_file,
        )


def _look_up_in_kept_tables(
    duck: duckdb.DuckDBPyConnection, kept: Path, raw: dict[str, RawCollection]
) -> None:
    """Let rows of a delta set point at what was sent before, and users have its roles."""
    duck.execute("CREATE SCHEMA known")
    for file, entity in _REFERRED.items():
        rows = literal(kept / f"{file}.parquet")
        duck.execute(
            f"CREATE TABLE known.{entity} AS "
            f'SELECT "sourcedId" AS external_id FROM read_parquet({rows})'
        )
    roles = kept / "roles.parquet"
    if roles.is_file():
        raw["roles"] = replace(raw["roles"], file=roles)


def _extension_words(
    duck: duckdb.DuckDBPyConnection, raw: Mapping[str, RawCollection]
) -> dict[str, str]:
    """The `ext:` words of the set: a provider would name them in its role_map."""
    words: dict[str, str] = {}
    for name in ("roles", "enrollments"):
        rows = duck.execute(
            "SELECT DISTINCT role FROM "
            f"read_parquet({literal(raw[name].file)}) WHERE role LIKE 'ext:%'"
        ).fetchall()
        words |= {word: "aide" for (word,) in rows}
    return words


def _counted(findings: Path, pull: Pull) -> list[str]:
    """The findings that count; of a row that is tobedeleted only its form does."""
    with closing(open_frames()) as duck:
        counted = statement("staging/self_check.counted", findings=str(findings))
        duck.execute(counted, [list(_NO_FAULT)])
        for name, one in pull.collections.items():
            if one.is_delta:
                rows = str(pull.rows_file(name))
                where = {"file": name, "rows": rows}
                duck.execute(statement("staging/self_check.without_deleted", **where))
        found = duck.execute("FROM counted ORDER BY ALL").fetchall()
    return [_shown(*row) for row in found]


def _shown(
    code: str, file: str, line: int | None, external_id: str | None, count: int
) -> str:
    name = f"{file}.csv" if file else "archive"
    place = f"{name}, line {line}" if line is not None else name
    key = f", {external_id}" if external_id else ""
    times = f" ({count} times)" if count > 1 else ""
    return f"{code}: {place}{key}{times}"
