"""From records to bytes: columns, cleaning, quoting, line ends, encoding.

Belongs here: how a file's rows are written. Not here: which rows (`population.py`).
A finished file stands in the workbench as a table under the file's name: _row (order,
from 1), _record (the population's key), _key, _identity, _state, the columns as text,
_line (without line end) and _hash (SHA-256 of the line).
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.targets.definition import Format, Target, TargetFile
from d118_pipelines.targets.population import RENDER_CODES, Finding
from d118_pipelines.targets.workbench import Workbench

NEWLINES = {"lf": "\n", "crlf": "\r\n"}
_CONTROLS = r"\x00-\x1F\x7F-\x{9F}\x{2028}\x{2029}"
_BATCH_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One finished file on the local disk; `rows` counts records without the header."""

    file: TargetFile
    path: Path
    rows: int
    size_bytes: int
    sha256: str


def render_file(
    target: Target, bench: Workbench, file: TargetFile, folder: Path
) -> tuple[RenderedFile, list[Finding]]:
    """Make one file of the set in `folder` and its table in the workbench.

    Control characters (and, in an unquoted file, the delimiter) become one space per
    run; a character that the encoding lacks becomes '?'. Both are findings, one per
    record. Source: docs/reference/hr_records.md, docs/reference/smartfind_express.md.
    """
    _make_table(target, bench, file)
    findings = _clean(target, bench, file)
    _add_lines(bench, file, target.model.format)
    path = folder / file.file
    digest = hashlib.sha256()
    bad_rows: list[int] = []
    with path.open("wb") as out:
        path.chmod(0o600)
        for rows, lines in _texts(bench, file, target.model.format):
            data, lossy = _encode("".join(lines), target.model.format.encoding)
            if lossy:
                bad_rows += _lossy_rows(rows, lines, target.model.format.encoding)
            digest.update(data)
            out.write(data)
    findings += [_unencodable(target, bench, file, row) for row in bad_rows]
    [(count,)] = bench.rows(f"SELECT count(*) FROM {file.name}", file.file)
    size = path.stat().st_size
    return RenderedFile(file, path, count, size, digest.hexdigest()), findings


def misshapen_keys(target: Target, bench: Workbench, file: TargetFile) -> list[str]:
    """Keys of records whose line does not have exactly one value per column."""
    layout = target.model.format
    wanted = len(file.columns)
    if layout.quoting == "none":
        delimiters = wanted - 1 + layout.trailing_delimiter
        sql = (
            f"SELECT _key FROM {file.name} WHERE "
            f"length(_line) - length(replace(_line, ?, '')) <> {delimiters} "
            r"OR contains(_line, chr(10)) OR contains(_line, chr(13))"
        )
        rows = bench.connection.execute(sql, [layout.delimiter]).fetchall()
        return [row[0] for row in rows]
    wanted += layout.trailing_delimiter
    rows = bench.rows(f"SELECT _key, _line FROM {file.name} ORDER BY _row", file.file)
    parsed = csv.reader((row[1] for row in rows), delimiter=layout.delimiter)
    return [
        key
        for (key, _), values in zip(rows, parsed, strict=True)
        if len(values) != wanted
    ]


def quoted(name: str) -> str:
    """A column name as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def _make_table(target: Target, bench: Workbench, file: TargetFile) -> None:
    source = target.sql(file.sql) if file.sql else "SELECT * FROM exported"
    origin = (
        f"sql/exports/{file.sql}" if file.sql else f"{target.path.name}, {file.name}"
    )
    bench.run(f"CREATE OR REPLACE TABLE made AS {source}", origin)
    columns = [r[0] for r in bench.connection.execute("DESCRIBE made").fetchall()]
    state = "ledger_state" if "ledger_state" in columns else "'active'"
    person = target.model.population.key
    record = person if person in columns else file.key
    shown = ", ".join(
        f"CAST({column.source} AS VARCHAR) AS {quoted(column.header)}"
        for column in file.columns
    )
    bench.run(
        f"CREATE TABLE {file.name} AS SELECT "
        f"row_number() OVER (ORDER BY {', '.join(file.sort)}) AS _row, "
        f"CAST({record} AS VARCHAR) AS _record, CAST({file.key} AS VARCHAR) AS _key, "
        f"CAST({file.identity or file.key} AS VARCHAR) AS _identity, {state} AS _state, {shown} "
        "FROM made ORDER BY _row",
        f"{target.path.name}, file {file.name}",
    )


def _clean(target: Target, bench: Workbench, file: TargetFile) -> list[Finding]:
    """Replace what the file cannot carry; one finding per record, naming its columns."""
    layout = target.model.format
    delimiter = re.escape(layout.delimiter) if layout.quoting == "none" else ""
    pattern = f"[{_CONTROLS}{delimiter}]+"
    names = [quoted(column.header) for column in file.columns]
    run = bench.connection.execute
    dirty = " OR ".join(f"regexp_matches({name}, $p)" for name in names)
    fields = ", ".join(
        f"if(regexp_matches({name}, $p), '{column.header.replace(chr(39), chr(39) * 2)}', NULL)"
        for name, column in zip(names, file.columns, strict=True)
    )
    rows = run(
        f"SELECT _record, array_to_string([{fields}], ', ') FROM {file.name} "
        f"WHERE {dirty} ORDER BY _row",
        {"p": pattern},
    ).fetchall()
    if rows:
        cleaned = ", ".join(
            f"{name} = regexp_replace({name}, $p, ' ', 'g')" for name in names
        )
        run(f"UPDATE {file.name} SET {cleaned} WHERE {dirty}", {"p": pattern})
    return [
        _render_finding("control_characters", key, file, cols) for key, cols in rows
    ]


def _add_lines(bench: Workbench, file: TargetFile, layout: Format) -> None:
    values = []
    for column in file.columns:
        value = f"coalesce({quoted(column.header)}, '')"
        in_quotes = f"'\"' || replace({value}, '\"', '\"\"') || '\"'"
        if layout.quoting == "all":
            value = in_quotes
        elif layout.quoting == "minimal":
            special = f"regexp_matches({value}, $special)"
            value = f"if({special}, {in_quotes}, {value})"
        values.append(value)
    tail = " || $delimiter" if layout.trailing_delimiter else ""
    binds = {"delimiter": layout.delimiter}
    if layout.quoting == "minimal":
        binds["special"] = _special(layout)
    bench.connection.execute(
        f"CREATE OR REPLACE TABLE {file.name} AS "
        f"SELECT *, concat_ws($delimiter, {', '.join(values)}){tail} AS _line, "
        f"sha256(_line) AS _hash FROM {file.name} ORDER BY _row",
        binds,
    )


def _texts(
    bench: Workbench, file: TargetFile, layout: Format
) -> Iterator[tuple[list[int], list[str]]]:
    """The file in batches: row numbers and lines with line ends; row 0 is the header."""
    end = NEWLINES[layout.newline]
    if layout.header:
        tail = layout.delimiter if layout.trailing_delimiter else ""
        names = [_header_cell(column.header, layout) for column in file.columns]
        yield [0], [layout.delimiter.join(names) + tail + end]
    lines = bench.connection.execute(
        f"SELECT _row, _line || $end FROM {file.name} ORDER BY _row", {"end": end}
    )
    while batch := lines.fetchmany(_BATCH_ROWS):
        rows, texts = zip(*batch, strict=True)
        yield list(rows), list(texts)


def _header_cell(name: str, layout: Format) -> str:
    """A column's name, in quotes by the same rule as values."""
    needs_quotes = layout.quoting == "all" or (
        layout.quoting == "minimal" and re.search(_special(layout), name)
    )
    return '"' + name.replace('"', '""') + '"' if needs_quotes else name


def _special(layout: Format) -> str:
    """What a value must not hold outside quotes, as a regular expression."""
    return f'["\\r\\n{re.escape(layout.delimiter)}]'


def _lossy_rows(rows: list[int], lines: list[str], encoding: str) -> list[int]:
    pairs = zip(rows, lines, strict=True)
    return [row for row, line in pairs if _encode(line, encoding)[1]]


def _encode(text: str, encoding: str) -> tuple[bytes, bool]:
    try:
        return text.encode(encoding), False
    except UnicodeEncodeError:
        return text.encode(encoding, errors="replace"), True


def _unencodable(
    target: Target, bench: Workbench, file: TargetFile, row: int
) -> Finding:
    names = [column.header for column in file.columns]
    [values] = bench.rows(
        f"SELECT _record, {', '.join(map(quoted, names))} FROM {file.name} WHERE _row = {row}",
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
