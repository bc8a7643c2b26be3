"""A draft as text: the target's YAML and the SQL of its files.

Called by `workflows/targets/draft.py`. Page: docs/reference/drafting.md, what is
written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from keyword import kwlist

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.targets.definition_checks import RESERVED_NAMES
from d118_pipelines.targets.draft.file_draft import ColumnDraft, FileDraft
from d118_pipelines.targets.model import Format

# Words that DuckDB does not take as a name without quotes, and may well be a header.
_SQL_WORDS = (
    *("all", "and", "any", "array", "as", "asc", "case", "cast", "check", "column"),
    *(
        "constraint",
        "create",
        "default",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
    ),
    *("false", "fetch", "for", "foreign", "from", "grant", "group", "having", "in"),
    *("initially", "intersect", "into", "limit", "not", "null", "offset", "on", "only"),
    *("or", "order", "primary", "references", "returning", "select", "some", "table"),
    *(
        "then",
        "to",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "when",
        "where",
        "window",
    ),
    *("with", "key", "todo"),
)
_TAKEN = {*_SQL_WORDS, *kwlist, "record_key"}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "header"}
_KINDS = {
    "students": "student",
    "clever_students": "student",
    "staff": "staff",
    "hr_records_staff": "staff",
    "smartfind_staff": "staff",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A target as it was found. archive: the name of the zip archive, if it is one."""

    name: str
    layout: Format
    files: list[FileDraft]
    archive: str | None = None


def written(draft: Draft) -> dict[str, str]:
    """Path in the project -> text."""
    names = _file_names(draft)
    sql = {
        f"sql/exports/{draft.name}/{name}.sql": _sql(draft, file)
        for name, file in zip(names, draft.files, strict=True)
    }
    yaml = "\n".join([*_head(draft), *_files(draft, names), *_tail(draft)]) + "\n"
    return {f"mappings/targets/{draft.name}.yaml": yaml, **sql}


def of_oneroster(
    name: str, version: str, archive: str | None, has_demographics: bool
) -> dict[str, str]:
    """The same for a set of OneRoster files: the layout has its columns and rules."""
    draft = Draft(name, Format(), [])
    written_as = "1.1" if version.startswith("1.1") else "1.2.1"
    head = [
        f"# {name}: the files are OneRoster {version}. Columns, rules and options:",
        "# docs/reference/oneroster_export.md",
        f"title: {name.replace('_', ' ')}",
        "extends: oneroster_csv",
        "",
        "options:",
        f'  version: "{written_as}"',
        f"  demographics: {str(has_demographics).lower()}",
    ]
    package = ["", f"package: {{archive: {_scalar(archive)}}}"] if archive else []
    tail = [line for line in _tail(draft) if not line.startswith("ledger:")]
    text = "\n".join([*head, *package, *tail]) + "\n"
    return {f"mappings/targets/{name}.yaml": text}


def _head(draft: Draft) -> Iterator[str]:
    layout = draft.layout
    yield f"# {draft.name}, drafted from the files that another program sent. Read every line:"
    yield "# what is here was found in the data of one day. docs/from_script_to_target.md"
    yield f"title: {draft.name.replace('_', ' ')}"
    yield ""
    values = ", ".join(
        f"{name}: {json.dumps(value)}" for name, value in layout.model_dump().items()
    )
    yield f"format: {{{values}}}"
    yield ""


def _files(draft: Draft, names: Sequence[str]) -> Iterator[str]:
    yield "files:"
    for name, file in zip(names, draft.files, strict=True):
        yield f"  - name: {name}"
        yield f"    file: {_scalar(file.given.name)}"
        yield f"    sql: {draft.name}/{name}.sql"
        yield f"    record_type: {name}"
        yield "    key: record_key"
        if kind := _kind(file):
            yield "    person: record_key"
            yield f"    kind: \"'{kind}'\""
        sort = [f"order_{n}" for n, _ in enumerate(file.order, start=1)] or [
            "record_key"
        ]
        aliases = _aliases(file.columns)
        if file.split_by:
            sort.append(aliases[file.given.headers.index(file.split_by)])
        yield f"    sort: [{', '.join(sort)}]"
        if file.key:
            match = [_scalar(file.given.headers[place]) for place, _ in file.key.pairs]
            match += [_scalar(file.split_by)] if file.split_by else []
            yield f"    match_by: [{', '.join(match)}]"
        yield "    columns:"
        for column, alias in zip(file.columns, aliases, strict=True):
            if not column.sql:
                yield f"      - {{header: {_scalar(column.header)}, source: TODO}}"
            elif column.header == alias:
                yield f"      - {alias}"
            else:
                yield f"      - {_scalar(column.header)}: {alias}"


def _kind(file: FileDraft) -> str:
    return _KINDS.get(file.key.relation.entity, "") if file.key else ""


def _tail(draft: Draft) -> Iterator[str]:
    variable = draft.name.upper()
    if draft.archive:
        yield ""
        yield f"package: {{archive: {_scalar(draft.archive)}}}"
    yield ""
    yield "ledger: {keep: files}"
    yield ""
    yield "guard:"
    yield "  hold_first: true             # somebody looks at the first delivery"
    yield "  max_drop_percent: 10"
    yield "  files: {max_removed_percent: 10, max_changed_percent: 75, min_before: 20}"
    yield ""
    yield f"# While {variable}_SFTP_ADDRESS is unset, the files go to the outbox."
    yield "destination:"
    yield f"  address_env: {variable}_SFTP_ADDRESS"
    yield f"  username_env: {variable}_SFTP_USERNAME"
    yield f"  password_env: {variable}_SFTP_PASSWORD"
    yield '  directory: "."'
    yield ""
    yield "# Who gets the data and why, for the disclosure register; and when it runs:"
    yield "# disclosure: {recipient: Vendor Inc., purpose: What it is for}"
    yield '# schedule: {cron: "30 4 * * *", deadline: "0 7 * * *"}'


def _sql(draft: Draft, file: FileDraft) -> str:
    return "\n".join(_sql_lines(draft, file)) + "\n"


def _sql_lines(draft: Draft, file: FileDraft) -> Iterator[str]:
    yield f"-- {_comment(file.given.name)} of {draft.name}, drafted: docs/reference/drafting.md"
    if file.key is None:
        yield "-- TODO: no extract and no roster entity has the keys of this file."
        yield "SELECT NULL AS record_key WHERE false"
    elif not file.parts:
        yield from _select(file)
    else:
        yield f"-- A row has several lines, by {_comment(file.split_by)}."
        place = file.given.headers.index(file.split_by)
        for n, part in enumerate(file.parts):
            if n:
                yield "UNION ALL BY NAME"
            value = literal(f"/{part.given.rows[0][place]}")
            yield from _select(
                replace(part, record_key=f"{part.record_key} || {value}")
            )


def _select(file: FileDraft) -> Iterator[str]:
    assert file.key is not None
    yield "SELECT"
    for column, alias in zip(file.columns, _aliases(file.columns), strict=True):
        yield from _column_lines(column, alias)
    for place, sql in enumerate(file.order, start=1):
        yield f"  {sql} AS order_{place},"
    yield f"  {file.record_key} AS record_key"
    yield f"FROM {file.key.relation.name} AS b"
    for join in file.joins:
        yield join.sql
    who = file.population
    if who and (who.missing or who.extra or who.unmatched):
        yield f"-- Of {who.wanted:,} rows that the file has, {who.missing:,} are not selected;"
        yield f"-- {who.extra:,} others are; {who.unmatched:,} lines of the file have no row."
    for place, condition in enumerate(who.conditions if who else ()):
        yield f"{'  AND' if place else 'WHERE'} {condition.sql}  -- {condition.stopped:,} are out"
    if who and who.one_of:
        yield "-- Several rows have one key; the file has this one."
        yield f"QUALIFY {who.one_of}"


def _column_lines(column: ColumnDraft, alias: str) -> Iterator[str]:
    if not column.sql:
        yield f"  NULL AS {alias},  -- TODO: nothing explains {_comment(column.header)}"
        return
    if column.agrees < column.lines:
        yield f"  -- The next line agrees on {column.agrees:,} of {column.lines:,} lines."
    yield f"  {column.sql} AS {alias},"


def _comment(text: str) -> str:
    """A text from the file, on one line of a comment."""
    return "".join(c if c.isprintable() else " " for c in text)


def _aliases(columns: Sequence[ColumnDraft]) -> list[str]:
    """Plain names of the columns in the SQL."""
    made: list[str] = []
    for column in columns:
        words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", column.header)
        name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "column"
        name = name if name[0].isalpha() else f"c_{name}"
        if _PLAIN.fullmatch(column.header) and column.header.islower():
            name = column.header
        name += "_value" * (name in _TAKEN)
        while name in made:
            name += "_2"
        made.append(name)
    return made


def _file_names(draft: Draft) -> list[str]:
    made: list[str] = []
    for file in draft.files:
        stem = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", file.given.name.rsplit(".", 1)[0])
        name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "file"
        name = name if name[0].isalpha() else f"file_{name}"
        name += "_rows" * (name in {*RESERVED_NAMES, *_SQL_WORDS})
        while name in made:
            name += "_2"
        made.append(name)
    return made


def _scalar(text: str) -> str:
    """A text in YAML."""
    if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
