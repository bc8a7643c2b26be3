"""Whom and what a finished file holds: for the disclosure register and its page.

Called by `build.py`. Counts alone: no value of a person is in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from d118_pipelines.kernel.sql_text import identifier, statement
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.targets.workbench import Workbench


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Counts of one file.

    filled: column -> rows that have a value there. people: kind -> persons that the
    rows are about. schools: school -> kind -> rows ('' where a file has no kinds).
    """

    filled: dict[str, int]
    people: dict[str, int]
    schools: dict[str, dict[str, int]]


def facts_of(bench: Workbench, file: TargetFile) -> FileFacts:
    """Count one finished file. Raises: ConfigurationError for SQL that does not run."""
    return FileFacts(_filled(bench, file), _people(bench, file), _schools(bench, file))


def _filled(bench: Workbench, file: TargetFile) -> dict[str, int]:
    names = [column.header for column in file.columns]
    counted = ", ".join(f"count(nullif({identifier(name)}, ''))" for name in names)
    [row] = bench.rows(f"SELECT {counted} FROM {file.name}", file.file)
    return dict(zip(names, row, strict=True))


def _people(bench: Workbench, file: TargetFile) -> dict[str, int]:
    if file.person is None:
        return {}
    people = statement("targets/files.people", file=file.name)
    return dict(bench.rows(people, file.file))


def _schools(bench: Workbench, file: TargetFile) -> dict[str, dict[str, int]]:
    if file.school is None:
        return {}
    found: dict[str, dict[str, int]] = {}
    schools = statement("targets/files.schools", file=file.name)
    for school, kind, rows in bench.rows(schools, file.file):
        found.setdefault(school, {})[kind] = rows
    return found
