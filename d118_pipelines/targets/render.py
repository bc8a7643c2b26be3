"""From records to bytes: columns, cleaning, quoting, line ends, encoding.

Called by `build.py`; which rows a file has is in `population.py`.
A finished file is a relation of the workbench under the file's name, kept as
`<name>.parquet`: _row (order, from 1), _record (the population's key), _key, _identity,
_state, _modified (when the record changed, or null), _person, _kind and _school (whom the
row is about, and where; '' if the file does not say), the columns as text, _dirty (names
of columns that were cleaned), _line (without line end) and _hash (SHA-256 of the line).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from d118_pipelines.kernel.finding import Finding
from d118_pipelines.kernel.sql_text import identifier, literal
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.model import Format, TargetFile
from d118_pipelines.targets.population import RENDER_CODES
from d118_pipelines.targets.workbench import Workbench

NEWLINES = {"lf": "\n", "crlf": "\r\n"}
BOM = "\ufeff"
Mode = Literal["bulk", "delta", "absent"]
_CONTROLS = r"\x00-\x1F\x7F-\x{9F}\x{2028}\x{2029}"
# For COPY: never in a value, so that lines are written as they are.
_NO_DELIMITER = "\x01"
_BATCH_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One finished file on the local disk; `rows` counts records without the header.

    mode: the whole content, changes only, or not in the set.
    """

    file: TargetFile
    path: Path
    rows: int
    size_bytes: int
    sha256: str
    mode: Mode = "bulk"


def make_table(
    target: Target, bench: Workbench, file: TargetFile, folder: Path
) -> list[Finding]:
    """Make the relation of one file and keep it in `folder`; nothing is written yet.

    Control characters (and, in an unquoted file, the delimiter) become one space per
    run: a finding, one per record. Source: docs/reference/hr_records.md,
    docs/reference/smartfind_express.md.
    Raises: ConfigurationError for SQL that does not run.
    """
    kept = folder / f"{file.name}.parquet"
    keeps_line = target.model.ledger.keep == "records"
    line = line_sql(file, target.model.format)
    last = "*, sha256(_line) AS _hash" if keeps_line else f"*, sha256({line}) AS _hash"
    inner = f"SELECT *, {line} AS _line FROM " if keeps_line else "FROM "
    bench.run(
        f"COPY (SELECT {last} FROM ({inner} (\n{_cleaned_sql(target, bench, file)}\n)))"
        f" TO {literal(kept)} (FORMAT parquet)",
        f"{target.path.name}, file {file.name}",
    )
    kept.chmod(0o600)
    if keeps_line:
        bench.add_view(file.name, kept)
    else:
        bench.connection.execute(
            f"CREATE OR REPLACE VIEW {file.name} AS "
            f"SELECT *, {line} AS _line FROM read_parquet({literal(kept)})"
        )
    dirty = bench.rows(
        f"SELECT _record, _dirty FROM {file.name} WHERE _dirty IS NOT NULL ORDER BY _row",
        file.file,
    )
    return [
        _render_finding("control_characters", key, file, cols) for key, cols in dirty
    ]


def write_file(
    target: Target,
    bench: Workbench,
    file: TargetFile,
    folder: Path,
    *,
    relation: str | None = None,
    mode: Mode = "bulk",
) -> tuple[RenderedFile, list[Finding]]:
    """Write one file of the set in `folder` from its relation.

    relation: another relation with the columns _row, _record, _line of what to write.
    A character that the encoding lacks becomes '?': a finding, one per record.
    """
    rows = relation or file.name
    layout = target.model.format
    path = folder / file.file
    path.touch(mode=0o600)  # before a byte is in it
    bad_rows: list[int] = []
    if layout.encoding == "utf-8":
        _copy_lines(bench, file, rows, path, layout)
    else:
        bad_rows = _write_encoded(bench, file, rows, path, layout)
    findings = [_unencodable(target, bench, file, rows, row) for row in bad_rows]
    [(count,)] = bench.rows(f"SELECT count(*) FROM {rows}", file.file)
    path.chmod(0o600)  # COPY puts a file of its own in its place
    size = path.stat().st_size
    return RenderedFile(file, path, count, size, sha256_of(path), mode), findings


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def misshapen_keys(target: Target, bench: Workbench, file: TargetFile) -> list[str]:
    """Keys of records whose line does not have exactly one value per column."""
    layout = target.model.format
    delimiter = literal(layout.delimiter)
    wanted = len(file.columns) - 1 + layout.trailing_delimiter
    bare = "_line"
    if layout.quoting != "none":
        # In quotes, delimiters and line ends do not count.
        quotes = """regexp_replace(_line, '"(?:[^"]|"")*"', '', 'g')"""
        bare = f"""if(contains(_line, '"'), {quotes}, _line)"""
    rows = bench.rows(
        f"SELECT _key FROM (SELECT _key, _row, {bare} AS bare FROM {file.name}) WHERE "
        f"length(bare) - length(replace(bare, {delimiter}, '')) <> {wanted} "
        "OR contains(bare, chr(10)) OR contains(bare, chr(13))"
        + (" OR contains(bare, '\"')" if layout.quoting != "none" else "")
        + " ORDER BY _row",
        file.file,
    )
    return [row[0] for row in rows]


def line_sql(file: TargetFile, layout: Format) -> str:
    """SQL for the line of a record from the columns of the file, without line end."""
    bare = [f"coalesce({identifier(column.header)}, '')" for column in file.columns]
    in_quotes = [f"'\"' || replace({value}, '\"', '\"\"') || '\"'" for value in bare]
    if layout.quoting == "none":
        return _joined(bare, layout)
    if layout.quoting == "all":
        return _joined(in_quotes, layout)
    special = literal(_special(layout))
    needed = [
        f"if(regexp_matches({value}, {special}), {quoted}, {value})"
        for value, quoted in zip(bare, in_quotes, strict=True)
    ]
    # Few records need quotes: one look at all values is cheaper than one at each.
    anywhere = f"regexp_matches(concat_ws('', {', '.join(bare)}), {special})"
    return f"if({anywhere}, {_joined(needed, layout)}, {_joined(bare, layout)})"


def _joined(values: Sequence[str], layout: Format) -> str:
    """SQL for values with the delimiter between them."""
    delimiter = literal(layout.delimiter)
    tail = f" || {delimiter}" if layout.trailing_delimiter else ""
    return f"(concat_ws({delimiter}, {', '.join(values)}){tail})"


def _cleaned_sql(target: Target, bench: Workbench, file: TargetFile) -> str:
    """The file's rows in their order, as text, without what the file cannot carry."""
    layout = target.model.format
    delimiter = re.escape(layout.delimiter) if layout.quoting == "none" else ""
    pattern = literal(f"[{_CONTROLS}{delimiter}]+")
    names = [identifier(column.header) for column in file.columns]
    fields = ", ".join(
        f"if(regexp_matches({name}, {pattern}), {literal(column.header)}, NULL)"
        for name, column in zip(names, file.columns, strict=True)
    )
    cleaned = ", ".join(
        f"if(_dirty IS NULL, {name}, regexp_replace({name}, {pattern}, ' ', 'g')) AS {name}"
        for name in names
    )
    anywhere = f"regexp_matches(concat_ws('', {', '.join(names)}), {pattern})"
    return (
        "SELECT _row, _record, _key, _identity, _state, _modified, _person, _kind, "
        "_school, "
        f"{cleaned}, _dirty FROM (SELECT *, if({anywhere}, "
        f"array_to_string([{fields}], ', '), NULL) AS _dirty "
        f"FROM (\n{_rows_sql(target, bench, file)}\n))"
    )


def _rows_sql(target: Target, bench: Workbench, file: TargetFile) -> str:
    """The file's rows as its SQL gives them, in order and with their keys."""
    source = target.sql(file.sql).rstrip().rstrip(";") if file.sql else "FROM exported"
    origin = (
        f"sql/exports/{file.sql}" if file.sql else f"{target.path.name}, {file.name}"
    )
    described = bench.rows(f"DESCRIBE SELECT * FROM (\n{source}\n)", origin)
    columns = [row[0] for row in described]
    state = "ledger_state" if "ledger_state" in columns else "'active'"
    modified = "modified_at" if "modified_at" in columns else "NULL"
    person = target.population.key if target.model.population else file.key
    record = person if person in columns else file.key
    about = [
        f"coalesce(CAST({value or 'NULL'} AS VARCHAR), '') AS {name}"
        for name, value in [
            ("_person", file.person),
            ("_kind", file.kind),
            ("_school", file.school),
        ]
    ]
    shown = ", ".join(
        f"CAST({column.source} AS VARCHAR) AS {identifier(column.header)}"
        for column in file.columns
    )
    return (
        f"SELECT row_number() OVER () AS _row, "
        f"CAST({record} AS VARCHAR) AS _record, CAST({file.key} AS VARCHAR) AS _key, "
        f"CAST({file.identity or file.key} AS VARCHAR) AS _identity, {state} AS _state, "
        f"CAST({modified} AS TIMESTAMP) AS _modified, {', '.join(about)}, {shown} "
        f"FROM (SELECT * FROM (\n{source}\n) ORDER BY {', '.join(file.sort)})"
    )


def _copy_lines(
    bench: Workbench, file: TargetFile, rows: str, path: Path, layout: Format
) -> None:
    """Write the lines by DuckDB itself: millions of rows in seconds."""
    end = " || chr(13)" if layout.newline == "crlf" else ""
    lines = f"SELECT _line{end} AS line FROM {rows}"
    if layout.header:
        lines = (
            f"SELECT {literal(_header(file, layout))}{end} AS line UNION ALL {lines}"
        )
    bench.connection.execute(
        f"COPY ({lines}) TO {literal(path)} (FORMAT csv, HEADER false, QUOTE '', "
        f"ESCAPE '', DELIMITER '{_NO_DELIMITER}', NULLSTR '')"
    )


def _write_encoded(
    bench: Workbench, file: TargetFile, rows: str, path: Path, layout: Format
) -> list[int]:
    """Write the lines in another encoding; the rows that it could not carry."""
    end = NEWLINES[layout.newline]
    bad_rows: list[int] = []
    with path.open("wb") as out:
        if layout.header:
            out.write((_header(file, layout) + end).encode(layout.encoding))
        lines = bench.connection.execute(
            f"SELECT _row, _line || {literal(end)} FROM {rows}"
        )
        while batch := lines.fetchmany(_BATCH_ROWS):
            for row, line in batch:
                data, is_lossy = _encode(line, layout.encoding)
                out.write(data)
                bad_rows += [row] * is_lossy
    return bad_rows


def _header(file: TargetFile, layout: Format) -> str:
    """The header row without line end."""
    tail = layout.delimiter if layout.trailing_delimiter else ""
    names = [_header_cell(column.header, layout) for column in file.columns]
    return (BOM if layout.bom else "") + layout.delimiter.join(names) + tail


def _header_cell(name: str, layout: Format) -> str:
    """A column's name, in quotes by the same rule as values."""
    needs_quotes = layout.quoting == "all" or (
        layout.quoting == "minimal" and re.search(_special(layout), name)
    )
    return '"' + name.replace('"', '""') + '"' if needs_quotes else name


def _special(layout: Format) -> str:
    """What a value must not hold outside quotes, as a regular expression."""
    return f'["\\r\\n{re.escape(layout.delimiter)}]'


def _encode(text: str, encoding: str) -> tuple[bytes, bool]:
    try:
        return text.encode(encoding), False
    except UnicodeEncodeError:
        return text.encode(encoding, errors="replace"), True


def _unencodable(
    target: Target, bench: Workbench, file: TargetFile, rows: str, row: int
) -> Finding:
    names = [column.header for column in file.columns]
    [values] = bench.rows(
        f"SELECT _record, {', '.join(map(identifier, names))} FROM {rows} WHERE _row = {row}",
        file.file,
    )
    encoding = target.model.format.encoding
    bad = [
        n
        for n, v in zip(names, values[1:], strict=True)
        if v and _encode(v, encoding)[1]
    ]
    return _render_finding("unencodable_character", values[0], file, ", ".join(bad))


def _render_finding(code: str, key: str, file: TargetFile, columns: str) -> Finding:
    level, todo = RENDER_CODES[code]
    return Finding(code, level, key, columns, file.file, todo)
