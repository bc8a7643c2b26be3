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
from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.model.mapping import MappingFile, read_mapping
from d118_pipelines.roster.staging.raw_relations import RawCollection
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.staging.staging import StagingOptions, stage
from d118_pipelines.sources.oneroster_csv.place import LocalPlace
from d118_pipelines.sources.oneroster_csv.source import OneRosterCsvSource
from d118_pipelines.sources.pull import Pull, run_pull

if TYPE_CHECKING:
    import duckdb

ROOT = Path(__file__).parents[2]
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


def read_back(archive: Path, folder: Path, root: Path = ROOT) -> list[str]:
    """Every finding of severity warn or above: code, file, line, sourcedId.

    archive: the finished set. In its folder are the kept tables of all files, in which
    the references of a delta set are looked up. folder: an empty place for the frames,
    which hold people; the caller removes it. root: the project's folder.
    """
    work = folder / NAME
    try:
        pull = _pulled(archive, work)
        staged = _staged(archive, pull, work, root)
    except IncompleteExtractError as exc:
        return [f"{exc.what} {exc.where}".strip()]
    found = pull.findings_file if staged is None else staged.findings_file
    return _counted(found, pull) if found.is_file() else []


def _pulled(archive: Path, work: Path) -> Pull:
    source = OneRosterCsvSource(LocalPlace(archive))
    now = dt.datetime.now(dt.UTC)
    return run_pull(source, work / "raw", provider=NAME, run_id=NAME, now=now)


def _staged(archive: Path, pull: Pull, work: Path, root: Path) -> Staged | None:
    """The staged set; None where it has no file of records."""
    mapping = _shaped(pull, root)
    if not mapping.endpoints:
        return None
    raw = {
        name: RawCollection(
            name, pull.rows_file(name), name, one.absence, one.is_delta, one.rows
        )
        for name, one in pull.collections.items()
    }
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


def _shaped(pull: Pull, root: Path) -> MappingFile:
    """The mapping of OneRoster, for the files that the set has."""
    mapping = read_mapping(root / "mappings/oneroster.yaml", project_root=root)
    queries = root / "sql/staging/oneroster_csv"
    endpoints = tuple(
        replace(endpoint, query=queries / f"{endpoint.collection}.sql")
        for endpoint in mapping.endpoints
        if f"mode.{endpoint.collection}" in pull.details
    )
    return replace(mapping, endpoints=endpoints)


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
        found = f"read_parquet({literal(findings)})"
        duck.execute(
            "CREATE TABLE counted AS SELECT code, parse_filename(coalesce("
            "source_file, ''), true) AS file, source_line AS line, external_id, "
            f"CAST(sum(count) AS BIGINT) AS times FROM {found} WHERE severity IN "
            "('warn', 'reject', 'fatal') AND NOT list_contains(?, code) GROUP BY ALL",
            [list(_NO_FAULT)],
        )
        for name, one in pull.collections.items():
            if one.is_delta:
                rows = literal(pull.rows_file(name))
                duck.execute(
                    f"DELETE FROM counted WHERE file = {literal(name)} AND line IN "
                    f"(SELECT _line FROM read_parquet({rows}) "
                    "WHERE status = 'tobedeleted')"
                )
        return [
            _shown(*row) for row in duck.execute("FROM counted ORDER BY ALL").fetchall()
        ]


def _shown(
    code: str, file: str, line: int | None, external_id: str | None, count: int
) -> str:
    name = f"{file}.csv" if file else "archive"
    place = f"{name}, line {line}" if line is not None else name
    key = f", {external_id}" if external_id else ""
    times = f" ({count} times)" if count > 1 else ""
    return f"{code}: {place}{key}{times}"
