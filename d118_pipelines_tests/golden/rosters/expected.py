"""The expected files of the golden rosters, and what is left out of a comparison.

Belongs here: reading and patching them, listing differences. Not here: results.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from d118_pipelines_tests.golden.rosters.chain import Record, Roster

HERE = Path(__file__).parent
Line = dict[str, str]
OPEN: dict[str, Any] = {"plan": [], "lines": []}


def filled(text: str) -> str:
    """`ID_0a01` as 24 hexadecimal digits of Clever, YYYY and XXXX as school years."""
    today = dt.datetime.now(ZoneInfo("America/Chicago")).date()
    year = today.year + (today.month >= 7)
    text = text.replace("YYYY", str(year)).replace("XXXX", str(year - 1))
    return re.sub(r"ID_([0-9a-f]{4})", r"63c0a1f0a1b2c3d4e5f6\1", text)


def read_roster(path: Path) -> Roster:
    """A YAML file of records, entity -> key -> fields; dates and times become text."""
    data = yaml.safe_load(filled(path.read_text(encoding="utf-8")))
    return {
        entity: {
            key: {name: _text(value) for name, value in fields.items()}
            for key, fields in records.items()
        }
        for entity, records in data.items()
    }


def _text(value: Any) -> Any:
    return str(value) if hasattr(value, "year") else value


def patched(base: Roster, patch: Roster) -> Roster:
    """`base` with the records and fields of `patch`; null takes a field away."""
    found = {e: {k: dict(r) for k, r in rows.items()} for e, rows in base.items()}
    for entity, rows in patch.items():
        for key, fields in rows.items():
            record = {**found.setdefault(entity, {}).get(key, {}), **fields}
            found[entity][key] = {
                n: v
                for n, v in record.items()
                if v is not None and (n, v) != ("status", "active")
            }
    return found


def without(roster: Roster, field: str) -> Roster:
    """The roster without one field."""
    return {
        entity: {k: {n: v for n, v in r.items() if n != field} for k, r in rows.items()}
        for entity, rows in roster.items()
    }


def read_open(source: str) -> dict[str, Any]:
    """What is not compared, because its right outcome is not settled."""
    text = (HERE / source / "open.yaml").read_text(encoding="utf-8")
    return {**OPEN, **yaml.safe_load(filled(text))}


def differences(
    expected: Roster, found: Roster, left_out: Mapping[str, Iterable[str]] | None
) -> list[str]:
    """One text per record or field that differs. left_out: entity -> key, key.field."""
    texts = []
    for entity in sorted({*expected, *found}):
        skipped = set((left_out or {}).get(entity, ()))
        wanted, got = expected.get(entity, {}), found.get(entity, {})
        for key in sorted({*wanted, *got} - skipped):
            if key not in got or key not in wanted:
                side = "missing" if key in wanted else "not expected"
                texts.append(f"{entity} {key}: {side}")
                continue
            texts += [
                f"{entity} {text}"
                for text in _fields(key, wanted[key], got[key], skipped)
            ]
    return texts


def _fields(key: str, wanted: Record, got: Record, skipped: set[str]) -> list[str]:
    return [
        f"{key}.{name}: expected {wanted.get(name)!r}, got {got.get(name)!r}"
        for name in sorted({*wanted, *got})
        if wanted.get(name) != got.get(name) and f"{key}.{name}" not in skipped
    ]


def read_lines(path: Path) -> list[Line]:
    """The lines of an expected CSV file."""
    text = filled(path.read_text(encoding="utf-8"))
    return [dict(row) for row in csv.DictReader(text.splitlines())]


def line_differences(
    expected: list[Line], rows: Iterable[Mapping[str, Any]], left_out: Iterable[str]
) -> list[str]:
    """One text per line that stands on one side only.

    The columns of the expected lines are compared; equal lines count as one.
    left_out: words that all stand in a line, as `key`, or `key code`.
    """
    columns = list(expected[0])
    wanted = {tuple(line[c] for c in columns) for line in expected}
    got = {tuple(_value(row, c) for c in columns) for row in rows}
    skipped = [set(words.split()) for words in left_out]
    return sorted(
        f"{'missing' if line in wanted else 'not expected'}: {', '.join(line)}"
        for line in wanted ^ got
        if not any(words <= set(line) for words in skipped)
    )


def _value(row: Mapping[str, Any], column: str) -> str:
    """File names of pulls and of collections are compared without `.csv`."""
    if column == "file":
        return re.sub(r"\.csv(/.*)?$", "", str(row["source_file"])) + ".csv"
    value = row["source_line" if column == "line" else column]
    return "" if value is None else str(value)
