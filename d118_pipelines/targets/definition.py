"""A target: its YAML file, the layout that this extends, and the SQL that both name.

Called wherever a target is named. The keys are in `model.py`, what they must agree on
in `definition_checks.py`; `build.py` runs it. Page: docs/add_a_target.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.config.yaml_files import (
    Document,
    check_model,
    read_yaml,
    shown_path,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.shipped import either, file_of
from d118_pipelines.targets.definition_checks import TARGET_NAME, complaints_about
from d118_pipelines.targets.destination_model import (
    AutocommDestination,
    ScimDestination,
)
from d118_pipelines.targets.model import (
    Population,
    Schedule,
    TargetFile,
    TargetModel,
    When,
)
from d118_pipelines.targets.school_days import DAY_OPTION

# How long before a deadline a delivery counts for that deadline.
DEADLINE_WINDOW = dt.timedelta(hours=6)

# The option that the engine gives to every target: the district's day.
TODAY = "today"
READS = re.compile(r"\b(raw|staged)\.([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)\b", re.I)
READS_ROSTER = re.compile(r"\broster\.([a-z][a-z0-9_]*)\b", re.I)
_SUFFIXES = (".yaml", ".yml")
_COMMENT_OR_TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.S)

_JOIN = re.compile(r"\bjoin\s+(?:lateral\s+)?([a-z_][\w.]*|\()", re.I)


class Target:
    """A target as the rest of the code uses it: the model, its name and its SQL."""

    def __init__(
        self,
        path: Path,
        model: TargetModel,
        sql_folder: Path,
        layouts: Path | None = None,
    ) -> None:
        self.name = path.stem
        self.path = path
        self.model = model
        self.sql_folder = sql_folder
        self.layouts = layouts or _layouts_beside(path)

    def sql(self, name: str) -> str:
        """The text of one of the target's SQL files."""
        return sql_file(self.sql_folder, name).read_text(encoding="utf-8")

    @property
    def sql_files(self) -> list[str]:
        """The SQL files in the order of use: tables, population, files, findings."""
        model = self.model
        made = [table.sql for table in model.tables]
        made += [model.population.sql] if model.population else []
        return [*made, *(f.sql for f in model.files if f.sql), *model.findings]

    def place_of(self, text: str) -> str:
        """File and line of the target's SQL where a text first stands, in any case."""
        for name in self.sql_files:
            for number, line in enumerate(self.sql(name).splitlines(), start=1):
                if text in line.lower():
                    return f"sql/exports/{name}:{number}"
        return shown_path(self.path)

    @cached_property
    def joins(self) -> list[str]:
        """Every JOIN of the target's SQL with file and line, in the order of use."""
        found = []
        for name in self.sql_files:
            text = _COMMENT_OR_TEXT.sub(_blank, self.sql(name))
            for join in _JOIN.finditer(text):
                line = text[: join.start()].count("\n") + 1
                found.append(f"sql/exports/{name}:{line} JOIN {join[1]}")
        return found

    @cached_property
    def reads(self) -> list[tuple[str, str, str]]:
        """The extracts and staged rosters that the SQL reads, as key parts, sorted."""
        found: set[tuple[str, str, str]] = set()
        for text in self._texts():
            found |= {
                (a.lower(), b.lower(), c.lower()) for a, b, c in READS.findall(text)
            }
        return sorted(found)

    @cached_property
    def roster_reads(self) -> list[str]:
        """The relations of the roster of record that the SQL reads, sorted."""
        found: set[str] = set()
        for text in self._texts():
            found |= {name.lower() for name in READS_ROSTER.findall(text)}
        return sorted(found)

    @cached_property
    def days_used(self) -> list[str]:
        """`school_year` and `term`, where YAML or SQL uses their begin or end."""
        texts = [*self._texts(), self.model.model_dump_json()]
        used = {m for text in texts for m in DAY_OPTION.findall(text)}
        return sorted({kind for name, kind in used if name not in self.model.options})

    def _texts(self) -> list[str]:
        """The SQL files without comments and quoted texts."""
        return [_COMMENT_OR_TEXT.sub(" ", self.sql(name)) for name in self.sql_files]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the YAML file, its layout and every SQL file: the code version."""
        digest = hashlib.sha256(self.path.read_bytes())
        if self.model.extends:
            digest.update(_layout(self.layouts, self.model.extends).read_bytes())
        for name in self.sql_files:
            digest.update(self.sql(name).encode("utf-8"))
        return digest.hexdigest()

    @property
    def main_file(self) -> TargetFile:
        """The file that `main` names, else the first; the guard counts its rows."""
        files = self.record_files
        return next((f for f in files if f.name == self.model.main), files[0])

    @property
    def population(self) -> Population:
        """Whom the target is about; only for a target that has a population."""
        assert self.model.population is not None
        return self.model.population

    @property
    def sends_users(self) -> bool:
        """Whether users are sent one by one, in place of a set of files."""
        return isinstance(self.model.destination, ScimDestination)

    @property
    def feeds_powerschool(self) -> bool:
        """Whether PowerSchool imports what is sent."""
        return isinstance(self.model.destination, AutocommDestination)

    @property
    def names_sent(self) -> list[str]:
        """What arrives at the destination: the archive, or the files that are sent."""
        if self.model.package:
            return [self.model.package.archive]
        return [file.file for file in self.model.files if file.deliver]

    @property
    def record_files(self) -> list[TargetFile]:
        """The files that hold records, without the control files."""
        return [file for file in self.model.files if not file.control]


def read_target(path: Path, sql_folder: Path, layouts: Path | None = None) -> Target:
    """Read and check one target.

    sql_folder, layouts: the district's; shipped files come second.
    Raises: ConfigurationError naming file, line and key for unknown keys, bad values,
    SQL files that do not exist, and names that nothing declares.
    """
    if path.suffix != ".yaml":
        raise ConfigurationError(
            f"{path.name} is not read: the name of a target's file ends with .yaml",
            where=shown_path(path),
            not_done="Nothing was started.",
            next_step=f"Rename it to {path.stem}.yaml, or remove it.",
        )
    layouts = layouts or _layouts_beside(path)
    document = _with_layout(read_yaml(path), layouts)
    model = _with_own_columns(check_model(TargetModel, document))
    target = Target(path, as_optioned(model), sql_folder, layouts)
    complaints = complaints_about(target.name, model, sql_folder)
    if complaints:
        raise ConfigurationError(
            f"{path.name} contradicts itself:\n  "
            + "\n  ".join(f"{document.where(key)}: {text}" for key, text in complaints),
            not_done="Nothing was started.",
            next_step="Correct the lines named above, then run: d118 doctor",
        )
    return target


def load_targets(
    root: Path, shipped: Sequence[str] = ()
) -> tuple[list[Target], list[Misconfigured]]:
    """The enabled targets by name, and those that are not sound.

    shipped: the names of shipped targets that are used beside the files of the folder's
    own `mappings/targets/`; no upgrade adds one by itself.
    """
    sound: list[Target] = []
    broken: list[Misconfigured] = []
    layouts = root / "mappings/layouts"
    for path in _target_files(root, shipped):
        try:
            target = read_target(path, root / "sql/exports", layouts)
            sound += [target] if target.model.enabled else []
        except ConfigurationError as exc:
            name = path.stem if path.suffix == ".yaml" else path.name
            broken.append(Misconfigured("target", name, exc, _given(path, layouts)))
    return sound, broken


def _target_files(root: Path, shipped: Sequence[str]) -> list[Path]:
    """The folder's own files, and the shipped ones that are named and not among them."""
    own = root / "mappings/targets"
    paths = {p.name: p for p in own.glob("[!.]*") if p.suffix.lower() in _SUFFIXES}
    for name in shipped:
        path = file_of(root, f"mappings/targets/{name}.yaml")
        paths.setdefault(path.name, path)
    return [paths[name] for name in sorted(paths)]


def find_target(root: Path, shipped: Sequence[str], name: str) -> Target | None:
    """The enabled target of that name, if it is sound; only its own file is read."""
    for path in _target_files(root, shipped):
        if path.stem == name:
            with suppress(ConfigurationError):
                target = read_target(
                    path, root / "sql/exports", root / "mappings/layouts"
                )
                return target if target.model.enabled else None
    return None


def read_targets(root: Path, shipped: Sequence[str] = ()) -> list[Target]:
    """The sound ones of `load_targets`, by name."""
    return load_targets(root, shipped)[0]


def schedule_of(broken: Misconfigured) -> Schedule | None:
    """The schedule of a target that is not sound, where this part of it is."""
    try:
        return Schedule.model_validate(broken.given.get("schedule"))
    except ValidationError:
        return None


def _given(path: Path, layouts: Path) -> Mapping[str, Any]:
    """What can be read of a target's YAML: with its layout, else alone, else nothing."""
    document = None
    with suppress(ConfigurationError):
        document = read_yaml(path)
        document = _with_layout(document, layouts)
    return document.data if document and isinstance(document.data, dict) else {}


def _blank(found: re.Match[str]) -> str:
    """Nothing, on as many lines."""
    return " " + "\n" * found[0].count("\n")


def as_optioned(model: TargetModel) -> TargetModel:
    """The model with the files and columns that its options ask for, and no others."""
    options = model.options

    def holds(when: When) -> bool:
        return all(options.get(name) in values for name, values in when.items())

    files = [
        file.model_copy(
            update={
                "columns": [c for c in file.columns if holds(c.when)],
                # A secret tells nothing about anybody.
                "elements": file.elements
                | {c.header: "" for c in file.columns if c.secret},
                "deliver": file.deliver
                if isinstance(file.deliver, bool)
                else bool(options.get(file.deliver)),
                "empty": file.empty
                if file.empty in ("write", "omit", "fail")
                else ("omit" if options.get(file.empty) == "omit" else "write"),
            }
        )
        for file in model.files
        if holds(file.when)
    ]
    return model.model_copy(update={"files": files})


def _with_own_columns(model: TargetModel) -> TargetModel:
    """The model whose files end with the columns that the target adds to them."""
    files = [
        file.model_copy(
            update={"columns": [*file.columns, *model.columns.get(file.name, [])]}
        )
        for file in model.files
    ]
    return model.model_copy(update={"files": files})


def sql_file(folder: Path, name: str) -> Path:
    """A file of `sql/exports`: in the district's folder, else the shipped one."""
    return either(folder / name, f"sql/exports/{name}")


def _layouts_beside(path: Path) -> Path:
    """`mappings/layouts/` beside the folder of the targets."""
    return path.parent.parent / "layouts"


def _layout(folder: Path, name: str) -> Path:
    """`<name>.yaml` of the layouts: in the district's folder, else the shipped one."""
    return either(folder / f"{name}.yaml", f"mappings/layouts/{name}.yaml")


def _with_layout(document: Document, layouts: Path) -> Document:
    """A target's document on top of the layout that its key `extends` names."""
    data = document.data
    name = data.get("extends") if isinstance(data, dict) else None
    if not isinstance(name, str) or not TARGET_NAME.fullmatch(name):
        return document
    base = read_yaml(_layout(layouts, name))
    return Document(document.path, _merged(base.data, data), document.lines, base)


def _merged(base: Any, over: Any) -> Any:
    """Mappings key by key; of everything else, the upper value."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {
        key: _merged(base[key], over[key])
        if key in base and key in over
        else over.get(key, base.get(key))
        for key in [*base, *(key for key in over if key not in base)]
    }
