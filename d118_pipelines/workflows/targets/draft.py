"""`d118 targets draft`: a target made from the files that another program sent last.

Called by `cli/draft.py`. What explains a file is found in `targets/draft/`; here are
what it can be made from, and where the draft is written. Page:
docs/from_script_to_target.md.
"""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from d118_pipelines.config.project import Project
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import ConfigurationError, IncompleteExtractError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.run_folders import MANIFEST_FILE
from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.store.snapshot import RELATIONS, write_snapshot
from d118_pipelines.state.arrow import arrow_reading
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition_checks import TARGET_NAME
from d118_pipelines.targets.draft.file_draft import draft_file
from d118_pipelines.targets.draft.recognise import GivenFile, one_format, recognise
from d118_pipelines.targets.draft.relations import Relation, described
from d118_pipelines.targets.draft.sample import set_days
from d118_pipelines.targets.draft.write import Draft, of_oneroster, written
from d118_pipelines.targets.school_days import KINDS, days_of, spans_of
from d118_pipelines.workflows.targets.export_inputs import (
    Parts,
    find_input,
    given_spans,
)

if TYPE_CHECKING:
    import duckdb

_NOT_ROWS = {"findings", "rejected", "refused", "shape"}


@dataclass(frozen=True, slots=True)
class Drafted:
    """What was found, and the files that were written."""

    draft: Draft
    files: list[Path]


def draft_target(
    project: Project,
    name: str,
    source: Path,
    *,
    key: str | None = None,
    force: bool = False,
) -> Drafted:
    """Draft the target `name` from a file, a folder of files or a zip archive.

    key: header of the column that names a line. force: what was drafted before is
    replaced. Raises: ConfigurationError for a name that is taken, or a file that no
    target could write; IncompleteExtractError if there is nothing yet to make it from.
    """
    if not TARGET_NAME.fullmatch(name):
        raise ConfigurationError(
            f"A target cannot be named {name}.",
            rule="Small letters, digits and _, and no word that is taken.",
            not_done="Nothing was written.",
        )
    yaml_file = project.root / "mappings/targets" / f"{name}.yaml"
    sql_folder = project.root / "sql/exports" / name
    if not force and (yaml_file.exists() or sql_folder.exists()):
        raise ConfigurationError(
            f"The target {name} is there already: {shown_path(yaml_file)}.",
            not_done="Nothing was written.",
            next_step="Choose another name, or replace it with --force",
        )
    given, day = given_files(source)
    archive = source.name if zipfile.is_zipfile(source) else None
    if version := _oneroster_version(given):
        names = {file.name for file in given}
        text = of_oneroster(name, version, archive, "demographics.csv" in names)
        return Drafted(Draft(name, given[0].layout, []), _write(project, text))
    layout = one_format(given)
    with readable(project) as (duck, relations):
        set_days(duck, _school_days(project, duck, day))
        drafts = [
            draft_file(duck, file, relations, day=day, wanted_key=key) for file in given
        ]
    draft = Draft(name, layout, drafts, archive)
    return Drafted(draft, _write(project, written(draft)))


def _school_days(
    project: Project, duck: duckdb.DuckDBPyConnection, day: dt.date
) -> dict[str, dt.date]:
    """Those of the school year and the term on the day of the file, where any is known."""
    days: dict[str, dt.date] = {}
    for kind in KINDS:
        spans = given_spans(project.district(), kind)
        with suppress(ConfigurationError):
            days |= days_of(kind, spans or spans_of(duck, kind, "roster.terms"), day)
    return days


def given_files(source: Path) -> tuple[list[GivenFile], dt.date]:
    """The files, taken apart, and the day on which they were made.

    Raises: ConfigurationError where there is none, or for one that cannot be read.
    """
    try:
        if source.is_dir():
            paths = sorted(
                p for p in source.iterdir() if p.is_file() and p.name[0] != "."
            )
            contents = {path.name: path.read_bytes() for path in paths}
            times = [path.stat().st_mtime for path in paths]
        elif zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                contents = {
                    n: archive.read(n) for n in archive.namelist() if n[-1] != "/"
                }
            times = [source.stat().st_mtime]
        else:
            contents = {source.name: source.read_bytes()}
            times = [source.stat().st_mtime]
    except OSError as exc:
        raise _unreadable(source, f"cannot be read: {exc.strerror}") from exc
    if not contents:
        raise _unreadable(source, "has no file")
    given = [recognise(name, data) for name, data in contents.items()]
    return given, dt.datetime.fromtimestamp(max(times)).date()


def _unreadable(source: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{source} {problem}.",
        not_done="Nothing was written.",
        next_step="Give the file that was sent last, or a folder of such files.",
    )


@contextmanager
def readable(
    project: Project,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Relation]]]:
    """A session in which everything is readable that a target's SQL may read.

    Raises: IncompleteExtractError if nothing was ever extracted or synced.
    """
    with (
        TemporaryDirectory(dir=project.folder("tmp")) as place,
        closing(open_frames(temp_folder=Path(place))) as duck,
    ):
        files = {".".join(parts): path for parts, path in _extracts(project)}
        files |= _roster(project, duck, Path(place))
        for layer in ("raw", "staged", "roster"):
            duck.execute(f"ATTACH ':memory:' AS {layer}")
        for name, path in files.items():
            *above, _ = name.split(".")
            if len(above) == 2:
                duck.execute(f"CREATE SCHEMA IF NOT EXISTS {'.'.join(above)}")
            duck.execute(f"CREATE TABLE {name} AS FROM read_parquet({literal(path)})")
        relations = described(duck, sorted(files))
        if not relations:
            raise IncompleteExtractError(
                "There is no extract and no roster yet to make a file from.",
                not_done="Nothing was written.",
                next_step="Make them: d118 run --all",
            )
        yield duck, relations


def _extracts(project: Project) -> Iterator[tuple[Parts, Path]]:
    """The newest rows of every raw extract and staged entity."""
    found: set[Parts] = set()
    for layer in ("raw", "staged"):
        for manifest in (project.home / layer).rglob(MANIFEST_FILE):
            system = manifest.relative_to(project.home / layer).parts[0]
            names = {
                path.stem for path in manifest.parent.glob("*.parquet")
            } - _NOT_ROWS
            found |= {(layer, system, name) for name in names}
    for parts in sorted(found):
        with suppress(IncompleteExtractError):
            path, _ = find_input(project, parts, "")
            yield parts, path


def _roster(
    project: Project, duck: duckdb.DuckDBPyConnection, folder: Path
) -> dict[str, Path]:
    district = project.district().id
    with arrow_reading(state_database(project)) as reader:
        files = write_snapshot(
            reader, duck, RELATIONS, district=district, folder=folder
        )
    return {f"roster.{name}": path for name, path in files.items()}


def _oneroster_version(given: list[GivenFile]) -> str | None:
    """What a manifest says; a set of OneRoster files has a layout of its own here."""
    for file in given:
        if file.name == "manifest.csv":
            return dict(row[:2] for row in file.rows).get("oneroster.version")
    return None


def _write(project: Project, texts: Mapping[str, str]) -> list[Path]:
    paths = []
    for name, text in texts.items():
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
