"""What the parts of one target's YAML file must agree on; single values: `model.py`.

Called by `definition.py`. A complaint is a key path and a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from keyword import kwlist
from pathlib import Path

from d118_pipelines.config.yaml_files import KeyPath
from d118_pipelines.kernel.shipped import either
from d118_pipelines.targets.destination_model import (
    AutocommDestination,
    ScimDestination,
)
from d118_pipelines.targets.model import Format, TargetFile, TargetModel, When

Complaint = tuple[KeyPath, str]

SCIM_NAME = "scim"
"""The name of the target that provisions users; each user has one state of provisioning."""
TODO = "TODO"
"""The source of a drafted column that nothing explained: docs/reference/drafting.md."""
SCIM_FAILED = "scim.failed"
"""The code of a user whom the service provider refuses."""

# A target's name is an asset group and a job; some of these are taken, by this project
# or by Dagster.
_TAKEN = "approve|powerschool|sync_.*|conf|config|context|input|output|meta|type|dict"
TARGET_NAME = re.compile(
    rf"(?!({_TAKEN}|{'|'.join(kwlist)}|int|str|float|bool)$)[a-z][a-z0-9_]*"
)
# Relations of the workbench that SQL may read beside the files; no file may have the name.
RESERVED_NAMES = (
    *("population", "outcome", "exported", "ledger", "ledger_seed", "known"),
    "set_files",
)
# Tables that the workbench makes for itself, beside those that SQL may read.
_INTERNAL_NAMES = ("marked", "stopped", "changes", "incoming")


def complaints_about(
    name: str, model: TargetModel, sql_folder: Path
) -> list[Complaint]:
    """Everything in which the target `name` does not hold together."""
    rule = "small letters, digits and _, and no word that is taken, such as approve"
    bad_name: list[Complaint] = [((), f"the file's name must be {rule}")]
    return [
        *([] if TARGET_NAME.fullmatch(name) else bad_name),
        *_missing_sql(model, sql_folder),
        *_undeclared(model),
        *_unlike_scim(name, model),
        *_unlike_autocomm(model),
    ]


def _unlike_scim(name: str, model: TargetModel) -> list[Complaint]:
    """What a target that provisions users must be like, and is not."""
    if not isinstance(model.destination, ScimDestination):
        return []
    rules: dict[KeyPath, tuple[bool, str]] = {
        ("destination", "protocol"): (
            name == SCIM_NAME,
            f"a target of this protocol is named {SCIM_NAME}, as there is only one",
        ),
        ("files",): (len(model.files) == 1, "one file: the users"),
        ("ledger",): (model.ledger.keep == "files", "keep must be files"),
        ("codes",): (SCIM_FAILED in model.codes, f"{SCIM_FAILED} must be declared"),
        ("package",): (model.package is None and model.delta is None, "not for SCIM"),
    }
    return [(key, text) for key, (holds, text) in rules.items() if not holds]


def _unlike_autocomm(model: TargetModel) -> Iterator[Complaint]:
    """What a target that PowerSchool imports must be like, and is not."""
    if not isinstance(model.destination, AutocommDestination):
        return
    if model.format.delimiter != "\t":
        yield ("format", "delimiter"), 'must be "\\t" for autocomm'
    if model.package or model.delta:
        yield ("package",), "not for autocomm: no archive, no delta"
    for index, file in enumerate(model.files):
        for place, column in enumerate(file.columns):
            if column.header not in model.destination.allow:
                key = ("files", index, "columns", place)
                yield key, f"destination.allow has no {column.header}"


def _missing_sql(model: TargetModel, folder: Path) -> list[Complaint]:
    """SQL files that the target names and nobody has; folder: the own `sql/exports`."""
    named: list[tuple[KeyPath, str]] = [
        (("tables", i, "sql"), table.sql) for i, table in enumerate(model.tables)
    ]
    if model.population:
        named.append((("population", "sql"), model.population.sql))
    named += [(("files", i, "sql"), f.sql) for i, f in enumerate(model.files) if f.sql]
    named += [(("findings", i), name) for i, name in enumerate(model.findings)]
    return [
        (key, f"sql/exports/{name} {problem}")
        for key, name in named
        if (problem := _problem_of(either(folder / name, f"sql/exports/{name}")))
    ]


def _problem_of(path: Path) -> str:
    """Why a file cannot be read as text; empty if it can."""
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "is not plain text in UTF-8"
    except OSError as exc:
        is_absent = isinstance(exc, FileNotFoundError)
        return "does not exist" if is_absent else f"cannot be read: {exc.strerror}"
    return ""


def _undeclared(model: TargetModel) -> Iterator[Complaint]:
    """Codes, options and columns that nothing declares, and names that are taken."""
    yield from (*_options(model), *_rules(model), *_delta(model), *_secrets(model))
    for index, file in enumerate(model.files):
        here = (
            *_columns(file),
            *_headers(file, model.format),
            *_conditions(model, file),
        )
        yield from ((("files", index, *key), text) for key, text in here)
    records = [file for file in model.files if not file.control]
    if not records:
        yield ("files",), "no file has records"
        return
    named = [file for file in records if file.name == model.main]
    if model.main and not named:
        yield ("main",), f"no file of records is called {model.main}"
    first = (named or records)[0]
    main = {column.header for column in first.columns}
    for index, change in enumerate(model.guard.deactivations):
        if change.column not in main:
            key = ("guard", "deactivations", index, "column")
            yield key, f"{first.file} has no column {change.column}"
    yield from _names(model)


def _names(model: TargetModel) -> Iterator[Complaint]:
    """Names of tables and files that are taken, and columns for files that are not there."""
    taken = {*RESERVED_NAMES, *_INTERNAL_NAMES}
    named = [("tables", index, table.name) for index, table in enumerate(model.tables)]
    named += [("files", index, file.name) for index, file in enumerate(model.files)]
    for kind, index, name in named:
        if name in taken:
            yield (kind, index, "name"), f"{name} is taken already"
        taken.add(name)
    for name in model.columns:
        if name not in {file.name for file in model.files}:
            yield ("columns", name), f"files has no {name}"


def _options(model: TargetModel) -> Iterator[Complaint]:
    for name, allowed in model.choices.items():
        if name not in model.options:
            yield ("choices", name), f"options has no {name}"
        elif model.options[name] not in allowed:
            shown = ", ".join(map(str, allowed))
            yield ("options", name), f"must be one of: {shown}"


def _rules(model: TargetModel) -> Iterator[Complaint]:
    for index, rule in enumerate(model.rules):
        if rule.action != "ignore" and rule.code not in model.codes:
            yield ("rules", index, "code"), f"codes has no {rule.code}"
        if rule.allow and rule.allow not in model.options:
            yield ("rules", index, "allow"), f"options has no {rule.allow}"


def _conditions(model: TargetModel, file: TargetFile) -> Iterator[Complaint]:
    """Options that `when`, `deliver` and `empty` name, and where a file's rows come from."""
    if file.sql is None and model.population is None:
        yield ("sql",), "needed: the target has no population"
    if isinstance(file.deliver, str) and file.deliver not in model.options:
        yield ("deliver",), f"options has no {file.deliver}"
    if file.empty not in ("write", "omit", "fail", *model.options):
        yield ("empty",), f"options has no {file.empty}"
    places: list[tuple[KeyPath, When]] = [(("when",), file.when)]
    places += [(("columns", i, "when"), c.when) for i, c in enumerate(file.columns)]
    for key, when in places:
        for name in when:
            if name not in model.options:
                yield (*key, name), f"options has no {name}"


def _delta(model: TargetModel) -> Iterator[Complaint]:
    if model.delta is None:
        return
    if model.delta.option not in model.options:
        yield ("delta", "option"), f"options has no {model.delta.option}"
    for index, file in enumerate(model.files):
        known = {column.header for column in file.columns}
        for name in (model.delta.status, model.delta.modified):
            if not file.control and name not in known:
                yield ("files", index, "columns"), f"no column {name}"


def _secrets(model: TargetModel) -> Iterator[Complaint]:
    """Secrets where a line, or a value, is kept and sent again on another day."""
    users = isinstance(model.destination, ScimDestination)
    for index, file in enumerate(model.files):
        for place, column in enumerate(file.columns):
            if not column.secret:
                continue
            here = ("files", index, "columns", place)
            named = {file.command, *file.match_by}
            if users or model.delta or file.keep_line or column.header in named:
                yield (
                    here,
                    "a secret cannot go with SCIM, delta, keep_line, command or match_by",
                )


def _columns(file: TargetFile) -> Iterator[Complaint]:
    for place, column in enumerate(file.columns):
        if column.source == TODO:
            todo = f"TODO: say in SQL where the value of {column.header} comes from"
            yield ("columns", place), todo
    known = {column.header for column in file.columns}
    if file.command and file.command not in known:
        yield ("command",), f"no column {file.command}"
    for setting in ("compare_except", "match_by"):
        for place, name in enumerate(getattr(file, setting)):
            if name not in known:
                yield (setting, place), f"no column {name}"


def _headers(file: TargetFile, layout: Format) -> Iterator[Complaint]:
    """Names that the header row cannot carry: values are cleaned, names are not."""
    if not layout.header:
        return
    for place, column in enumerate(file.columns):
        name, encoding = column.header, layout.encoding
        is_cut = layout.quoting == "none" and layout.delimiter in name
        if is_cut or not name.isprintable():
            yield ("columns", place), "the header cannot carry this name"
        elif name.encode(encoding, errors="replace").decode(encoding) != name:
            yield ("columns", place), f"{layout.encoding} lacks a letter of this name"
