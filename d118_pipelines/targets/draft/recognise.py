"""What the bytes of a vendor's file say about its form: delimiter, quoting, header, rows.

Called by `file_draft.py`. Pure on bytes. Page: docs/reference/drafting.md.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.model import Format

_DELIMITERS = ",\t|;^~"
_LOOKED_AT = 200
# A value that stands in no header: a number, a date, a time, an e-mail address.
_VALUE = re.compile(
    r"[-+]?[\d.,/:]+( ?[AP]M)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|\S+@\S+"
)


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file taken apart. headers: made up where it has none. rows: texts, all as long.

    is_quoting_known: a cell showed how it quotes. notes: what no target can write so.
    """

    name: str
    layout: Format
    headers: list[str]
    rows: list[list[str]]
    is_quoting_known: bool
    notes: list[str] = field(default_factory=list)


def recognise(name: str, data: bytes) -> GivenFile:
    """Take a file apart.

    Raises: ConfigurationError for a file without records, in an encoding that no target
    writes, or with lines of several lengths.
    """
    text, encoding, has_bom = _decoded(name, data)
    newline = "crlf" if text.count("\r\n") * 2 > text.count("\n") else "lf"
    notes = (
        [] if text.endswith("\n") else ["its last line has no line end; ours has one"]
    )
    delimiter = _delimiter(text)
    quoting, is_known, note = _quoting(text, delimiter)
    notes += [note] if note else []
    rows = _rows(text, delimiter, has_quotes=quoting != "none")
    if not rows:
        raise _refused(name, "has no line")
    has_header = _is_header(rows)
    is_trailed = len(rows[0]) > 1 and all(row[-1] == "" for row in rows)
    if is_trailed:
        rows = [row[:-1] for row in rows]
    headers = rows.pop(0) if has_header else [f"column_{n}" for n in _places(rows[0])]
    if not rows:
        raise _refused(name, "has a header and no record")
    lengths = Counter(map(len, rows))
    if set(lengths) != {len(headers)}:
        told = ", ".join(f"{n:,} lines of {size} fields" for size, n in lengths.items())
        raise _refused(name, f"has {told}, and {len(headers)} columns")
    layout = Format(
        delimiter=delimiter,
        trailing_delimiter=is_trailed,
        header=has_header,
        quoting=quoting,  # type: ignore[arg-type]
        newline=newline,  # type: ignore[arg-type]
        encoding=encoding,  # type: ignore[arg-type]
        bom=has_bom,
    )
    return GivenFile(name, layout, _unlike(headers), rows, is_known, notes)


def one_format(files: list[GivenFile]) -> Format:
    """The form that all files of a set share; where one does not show it, the others do.

    Raises: ConfigurationError if they contradict each other.
    """
    known = [file for file in files if file.is_quoting_known] or files[:1]
    encoded = [file for file in files if file.layout.encoding != "utf-8"] or files[:1]
    shared = _with(
        files[0].layout,
        quoting=known[0].layout.quoting,
        encoding=encoded[0].layout.encoding,
    )
    for file in files:
        own = _with(file.layout, encoding=shared.encoding)
        if not file.is_quoting_known:
            own = _with(own, quoting=shared.quoting)
        if own != shared:
            differ = [k for k, v in own.model_dump().items() if v != getattr(shared, k)]
            told = ", ".join(differ)
            raise _refused(
                file.name, f"and {files[0].name} differ in {told}; draft two targets"
            )
    return shared


def _with(layout: Format, **values: str) -> Format:
    """The form with other values."""
    return layout.model_copy(update=values)


def _decoded(name: str, data: bytes) -> tuple[str, str, bool]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data:
        raise _refused(name, "is UTF-16 or no text; targets write utf-8 or cp1252")
    has_bom = data.startswith(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8-sig"), "utf-8", has_bom
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), "cp1252", False


def _delimiter(text: str) -> str:
    """The one that gives every line the same number of fields, and the most of them."""
    lines = "\n".join(text.splitlines()[:_LOOKED_AT])

    def evenness(delimiter: str) -> tuple[float, int]:
        sizes = Counter(map(len, _rows(lines, delimiter, has_quotes=True)))
        if not sizes:
            return 0.0, 0
        [(size, count)] = sizes.most_common(1)
        return (count / sizes.total() if size > 1 else 0.0), size

    best = max(_DELIMITERS, key=evenness)
    return best if evenness(best)[1] > 1 else ","


def _quoting(text: str, delimiter: str) -> tuple[str, bool, str]:
    """none, minimal or all; whether a cell shows it; what no target can write so."""
    lines = text.splitlines()
    if '"' not in text:
        return ("minimal" if delimiter in ",;" else "none"), False, ""
    mark = re.escape(delimiter)
    cell = re.compile(rf'(?:^|{mark})("(?:[^"]|"")*"|[^"{mark}]*)(?={mark}|$)')
    cells = [c for line in lines[:5000] for c in cell.findall(line)]
    quoted = [c for c in cells if c.startswith('"')]
    if not quoted:
        return "none", True, ""
    needed = [c for c in quoted if re.search(rf'["\r\n{mark}]', c[1:-1])]
    bare = [c for c in cells if not c.startswith('"')]
    if not bare:
        return "all", True, ""
    if len(needed) == len(quoted):
        return "minimal", True, ""
    mixed = (
        "it quotes some cells that need none; a target quotes all or only those in need"
    )
    return ("all" if len(quoted) > len(bare) else "minimal"), True, mixed


def _rows(text: str, delimiter: str, *, has_quotes: bool) -> list[list[str]]:
    if not has_quotes:
        return [line.split(delimiter) for line in re.split("\r\n|\n", text) if line]
    stream = io.StringIO(text, newline="")
    return [row for row in csv.reader(stream, delimiter=delimiter) if row]


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first line names columns: different words, and none a value below."""
    first, rest = rows[0], rows[1 : _LOOKED_AT + 1]
    names = [cell.strip() for cell in first if cell.strip()]
    if not names or len(set(names)) < len(names) or len(names) < len(first) - 1:
        return False
    if any(_VALUE.fullmatch(name) for name in names):
        return False
    same = sum(
        row[i] == first[i] for row in rest for i in range(min(len(row), len(first)))
    )
    return same == 0 or all(c == "" for c in first)


def _unlike(headers: list[str]) -> list[str]:
    """The headers, with a number where one occurs twice."""
    seen: Counter[str] = Counter()
    made = []
    for place, header in enumerate(headers, start=1):
        name = header or f"column_{place}"
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return made


def _places(row: list[str]) -> range:
    return range(1, len(row) + 1)


def _refused(name: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} {problem}.",
        rule="docs/reference/drafting.md, the form of a file",
        not_done="Nothing was written.",
    )
