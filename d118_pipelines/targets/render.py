"""From records to bytes: columns, cleaning, quoting, line ends, encoding.

Called by `build.py`; which rows a file has is in `population.py`. A finished file is a
relation of the workbench, kept as `<name>.parquet`; sql/targets/files.sql has its
columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from d118_pipelines.kernel.finding import Finding
from d118_pipelines.kernel.sql_text import identifier, literal, statement
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.model import Column, Format, TargetFile
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
    """One file of the set on the local disk; `rows` counts records without the header.

    relation: has the columns _row, _record, _line of its rows. mode: the whole content,
    changes only, or not in the set; then it is not written and has no hash.
    """

    file: TargetFile
    path: Path
    relation: str
    rows: int
    mode: Mode
    size_bytes: int = 0
    sha256: str = ""


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
    line = line_sql(file, target.model.format)
    keeps_line = target.model.ledger.keep == "records"
    rows = _cleaned_sql(target, bench, file)
    made = _sql("with_line" if keeps_line else "without_line", line=line, rows=rows)
    bench.keep(made, kept, f"{target.path.name}, file {file.name}")
    if keeps_line:
        bench.add_view(file.name, kept)
    else:
        view = _sql("line_made", file=file.name, line=line, path=str(kept))
        bench.connection.execute(view)
    dirty = bench.rows(_sql("dirty", file=file.name), file.file)
    return [
        _render_finding("control_characters", key, file, cols) for key, cols in dirty
    ]


def write_file(
    target: Target, bench: Workbench, made: RenderedFile
) -> tuple[RenderedFile, list[Finding]]:
    """Write one file of the set from its relation; it has no hash yet.

    A character that the encoding lacks becomes '?': a finding, one per record.
    """
    file, rows, path, layout = made.file, made.relation, made.path, target.model.format
    path.touch(mode=0o600)  # before a byte is in it
    bad_rows: list[int] = []
    if layout.encoding == "utf-8":
        _copy_lines(bench, file, rows, path, layout)
    else:
        bad_rows = _write_encoded(bench, file, rows, path, layout)
    findings = [_unencodable(target, bench, file, rows, row) for row in bad_rows]
    path.chmod(0o600)  # COPY puts a file of its own in its place
    return replace(made, size_bytes=path.stat().st_size), findings


def misshapen_keys(target: Target, bench: Workbench, file: TargetFile) -> list[str]:
    """Keys of records whose line does not have exactly one value per column."""
    layout = target.model.format
    has_quotes = layout.quoting != "none"
    sql = _sql(
        "misshapen",
        file=file.name,
        # In quotes, delimiters and line ends do not count.
        bare=_sql("outside_quotes") if has_quotes else "_line",
        delimiter=layout.delimiter,
        delimiters=str(len(file.columns) - 1 + layout.trailing_delimiter),
        has_quote="contains(bare, '\"')" if has_quotes else "false",
    )
    return [row[0] for row in bench.rows(sql, file.file)]


def _sql(name: str, **values: str) -> str:
    return statement(f"targets/files.{name}", **values)


def line_sql(file: TargetFile, layout: Format) -> str:
    """SQL for the line of a record from the columns of the file, without line end."""
    names = [identifier(column.header) for column in file.columns]
    bare = [f"coalesce({name}, '')" for name in names]
    if layout.quoting == "none":
        return _joined(bare, layout)
    if layout.quoting == "all":
        return _joined([_in_quotes(value) for value in bare], layout)
    # Few records need quotes: one look at all values is cheaper than one at each. DuckDB
    # prepares each expression it is given, so that of a value stands there once.
    anywhere = _needs_quotes(f"concat_ws('', {', '.join(names)})", layout)
    quoted = _sql(
        "quoted",
        values=", ".join(bare),
        needed=_needs_quotes("_value", layout),
        in_quotes=_in_quotes("_value"),
        delimiter=layout.delimiter,
    )
    return f"if({anywhere}, {_joined([quoted], layout)}, {_joined(bare, layout)})"


def _in_quotes(value: str) -> str:
    """SQL for a text in quotes."""
    return f"'\"' || replace({value}, '\"', '\"\"') || '\"'"


def _needs_quotes(value: str, layout: Format) -> str:
    """SQL for whether a text has what must not be outside quotes.

    Four plain searches take a third of the time of one regular expression.
    """
    found = (f"contains({value}, {literal(one)})" for one in _special(layout))
    return f"({' OR '.join(found)})"


def _joined(values: Sequence[str], layout: Format) -> str:
    """SQL for values with the delimiter between them."""
    delimiter = literal(layout.delimiter)
    tail = f" || {delimiter}" if layout.trailing_delimiter else ""
    return f"(concat_ws({delimiter}, {', '.join(values)}){tail})"


def _cleaned_sql(target: Target, bench: Workbench, file: TargetFile) -> str:
    """The file's rows in their order, as text, without what the file cannot carry."""
    layout = target.model.format
    delimiter = re.escape(layout.delimiter) if layout.quoting == "none" else ""
    pattern = f"[{_CONTROLS}{delimiter}]+"
    names = [identifier(column.header) for column in file.columns]
    cleaned = ", ".join(
        f"coalesce(_cleaned[{number}], {name}) AS {name}"
        for number, name in enumerate(names, 1)
    )
    return _sql(
        "cleaned",
        cleaned=cleaned,
        names=", ".join(names),
        pattern=pattern,
        headers=", ".join(literal(column.header) for column in file.columns),
        rows=_rows_sql(target, bench, file),
    )


def _rows_sql(target: Target, bench: Workbench, file: TargetFile) -> str:
    """The file's rows as its SQL gives them, in order and with their keys."""
    source = target.sql(file.sql).rstrip().rstrip(";") if file.sql else "FROM exported"
    origin = (
        f"sql/exports/{file.sql}" if file.sql else f"{target.path.name}, {file.name}"
    )
    described = bench.rows(f"DESCRIBE SELECT * FROM (\n{source}\n)", origin)
    columns = [row[0] for row in described]
    record = file.key
    if target.model.population and set(target.population.key_parts) <= set(columns):
        record = target.population.key
    return _sql(
        "rows",
        record=record,
        key=file.key,
        identity=file.identity or file.key,
        state="ledger_state" if "ledger_state" in columns else "'active'",
        modified="modified_at" if "modified_at" in columns else "NULL",
        person=file.person or "NULL",
        kind=file.kind or "NULL",
        school=file.school or "NULL",
        columns=", ".join(
            f"CAST({_source(bench, column)} AS VARCHAR) AS {identifier(column.header)}"
            for column in file.columns
        ),
        source=source,
        sort=", ".join(file.sort),
    )


def _source(bench: Workbench, column: Column) -> str:
    """SQL for a column's value; for a secret its mark, which no table has to hide."""
    secret = column.secret
    return literal(bench.secrets[secret].mark) if secret else column.source


def _final_line(bench: Workbench, file: TargetFile) -> tuple[str, dict[str, str]]:
    """SQL for a line as it is written, with its secrets; these as parameters."""
    line, values = "_line", {}
    for number, name in enumerate({c.secret for c in file.columns if c.secret}):
        secret = bench.secrets[name]
        line = f"replace({line}, {literal(secret.mark)}, $secret_{number})"
        values[f"secret_{number}"] = secret.written
    return line, values


def _copy_lines(
    bench: Workbench, file: TargetFile, rows: str, path: Path, layout: Format
) -> None:
    """Write the lines by DuckDB itself: millions of rows in seconds."""
    end = " || chr(13)" if layout.newline == "crlf" else ""
    line, secrets = _final_line(bench, file)
    lines = f"SELECT {line}{end} AS line FROM {rows}"
    if layout.header:
        lines = (
            f"SELECT {literal(_header(file, layout))}{end} AS line UNION ALL {lines}"
        )
    bench.connection.execute(
        _sql("written", lines=lines, path=str(path), never=_NO_DELIMITER), secrets
    )


def _write_encoded(
    bench: Workbench, file: TargetFile, rows: str, path: Path, layout: Format
) -> list[int]:
    """Write the lines in another encoding; the rows that it could not carry."""
    end = NEWLINES[layout.newline]
    line_made, secrets = _final_line(bench, file)
    bad_rows: list[int] = []
    with path.open("wb") as out:
        if layout.header:
            out.write((_header(file, layout) + end).encode(layout.encoding))
        lines = bench.connection.execute(
            f"SELECT _row, {line_made} || {literal(end)} FROM {rows}", secrets
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
        layout.quoting == "minimal" and any(one in name for one in _special(layout))
    )
    return '"' + name.replace('"', '""') + '"' if needs_quotes else name


def _special(layout: Format) -> tuple[str, ...]:
    """What a value must not hold outside quotes."""
    return ('"', "\r", "\n", layout.delimiter)


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
