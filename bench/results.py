"""Make `bench/RESULTS.md` and `bench/growth.svg` of the figures in `bench/results.json`.

    python -m bench.results

Measures nothing. CPU seconds are of the process, all threads together: other work on
the machine stretches wall time far more than these. Called by `make bench` at its end.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.kept import read
from bench.roster_district import SIZES

PLACE = Path(__file__).with_name("RESULTS.md")
PLOT = Path(__file__).with_name("growth.svg")
DAYS = ("first", "again", "same content", "other bytes", "1 % changed")
WAYS = {
    "floor": "floor",
    "select": "SELECT, then write",
    "orm": "ORM merge",
    "pandas": "pandas merge",
}
BOUNDS = {
    "pull": "reading, splitting and checking CSV, and zstd",
    "stage": "the rules of rows and references; in a small set DuckDB's planning",
    "plan": "reading the roster as Arrow, ids and hashes of rows, the joins",
    "apply": "inserts into the database, in one thread",
}
_COLOURS = {
    "first": "#1b6ca8",
    "again": "#6a3d9a",
    "same content": "#2a9d4a",
    "other bytes": "#888888",
    "1 % changed": "#d1691d",
}
Figures = Sequence[dict[str, Any]]


def main() -> None:
    """Write the page and the plot."""
    found = read()
    parts = [_head(found), _rosters(found), _growth(found), _exports(found)]
    parts += [_staff(found), _bounds(found)]
    PLACE.write_text("\n".join(filter(None, parts)), encoding="utf-8")
    PLOT.write_text(_svg(found), encoding="utf-8")


def _head(found: Figures) -> str:
    times = sorted(one["at"] for one in found)
    codes = sorted({one["code"] for one in found})
    load = max(one["load"] for one in found)
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    shared = (
        f"**The machine was shared**: up to {load:.0f} processes wanted its {cores} cores "
        "at once. CPU seconds rise by up to a half under such a load and wall time is "
        "several times as long: compare figures of this page with each other, not with "
        "those of another machine or day.\n"
        if load > cores + 1  # its own threads are among them
        else ""
    )
    return (
        "# Results\n\n"
        "Made by `make bench` ([what is measured](README.md)).\n\n"
        f"- Machine: {cores} cores, {_processor()}, {memory:.0f} GB; "
        f"Python {platform.python_version()}, {platform.system()}.\n"
        f"- Measured: {times[0]} to {times[-1]} UTC.\n"
        f"- Code: {', '.join(codes)}.\n\n" + shared
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _rosters(found: Figures) -> str:
    """Rosters in: each kind of day, beside the plain ways on the same day."""
    rows = []
    for size in SIZES:
        for kind in ("sqlite", "postgresql"):
            for day in DAYS:
                about = {"size": size, "database": kind, "day": day}
                ours = _one(found, part="roster", way="ours", **about)
                if ours is None:
                    continue
                plain = [_one(found, part="roster", way=way, **about) for way in WAYS]
                steps = ", ".join(f"{value:.1f}" for value in ours["steps"].values())
                rows.append(
                    [
                        f"{size}, {ours['rows']:,}",
                        *(kind, day, f"{ours['cpu']:.1f}", steps),
                        f"{ours['cpu'] / ours['rows'] * 1e6:.0f}",
                        f"{ours['seconds']:.0f}",
                        f"{ours['peak_mb']:,}",
                        f"{ours['changes']:,}",
                        *(_ratio(one, ours) for one in plain),
                    ]
                )
    heads = [
        *("size, records", "database", "day", "CPU s", "pull, stage, plan, apply"),
        *("CPU µs a record", "wall s", "peak MB", "changes"),
        *(f"{name} / ours" for name in WAYS.values()),
    ]
    return (
        "## Rosters in\n\nOneRoster CSV; each sync is a process of its own, its start "
        "not counted. *Again*: the first run after a change, done in full although "
        "nothing differs. *Same content*: the one after that. *Other bytes*: the same "
        "rows in another order. The plain ways check nothing, match nobody and keep no "
        "history; the floor reads the same CSV with DuckDB, hashes each row once and "
        f"writes each row once.\n\n{_table(heads, rows)}"
    )


def _ratio(plain: dict[str, Any] | None, ours: dict[str, Any]) -> str:
    return "-" if plain is None else f"{plain['cpu'] / ours['cpu']:.2f}"


def _growth(found: Figures) -> str:
    """How CPU time grows with the number of records: 1 is in proportion."""
    rows = []
    for kind in ("sqlite", "postgresql"):
        for day in DAYS:
            points = _points(found, kind, day)
            if len(points) > 1:
                (few, little), (many, much) = points[0], points[-1]
                exponent = math.log(much / little) / math.log(many / few)
                rows.append([kind, day, f"{few:,} to {many:,}", f"{exponent:.2f}"])
    heads = ["database", "day", "records", "growth exponent"]
    note = (
        "1 is in proportion to the records, less is less.\n\n![growth](growth.svg)\n\n"
    )
    return f"## Growth\n\n{note}{_table(heads, rows)}" if rows else ""


def _exports(found: Figures) -> str:
    rows = []
    for size in SIZES:
        plain = _one(found, part="export", size=size, way="plain")
        for way in ("ours", "read back", "plain"):
            one = _one(found, part="export", size=size, way=way)
            if one:
                share = f"{one['cpu'] / plain['cpu']:.2f}" if plain else "-"
                rows.append(
                    [
                        *(size, way, f"{one['cpu']:.1f}", f"{one['seconds']:.0f}"),
                        *(f"{one['peak_mb']:,}", f"{one['archive_mb']}", share),
                    ]
                )
    heads = ["size", "way", "CPU s", "wall s", "peak MB", "archive MB", "CPU / plain"]
    return f"## Rosters out as OneRoster CSV\n\n{_table(heads, rows)}" if rows else ""


def _staff(found: Figures) -> str:
    ours = [one for one in found if one["part"] == "staff"]
    rows = [[str(one[name]) for name in one["columns"]] for one in ours]
    heads = ours[0]["columns"] if ours else []
    title = "## Staff files, whole processes beside an empty Dagster run\n\n"
    return f"{title}{_table(heads, rows)}" if rows else ""


def _bounds(found: Figures) -> str:
    """The longest step of each kind of day at the largest size, and what it does."""
    rows = []
    for kind in ("sqlite", "postgresql"):
        for day in DAYS:
            ours = [
                one
                for one in found
                if (one.get("database"), one.get("day"), one.get("way"))
                == (kind, day, "ours")
            ]
            if ours:
                largest = max(ours, key=lambda one: int(one["rows"]))
                steps = largest["steps"]
                step = max(steps, key=lambda name: float(steps[name]))
                share = steps[step] / largest["cpu"] * 100
                where = f"{day}, {kind}, {largest['size']}"
                rows.append([where, f"{step}, {share:.0f} %", BOUNDS[step]])
    heads = ["figure", "longest step", "what bounds it"]
    return f"## What bounds each figure\n\n{_table(heads, rows)}" if rows else ""


def _one(found: Figures, **about: str) -> dict[str, Any] | None:
    return next(
        (one for one in found if all(one.get(k) == v for k, v in about.items())), None
    )


def _points(found: Figures, kind: str, day: str) -> list[tuple[int, float]]:
    ours = (
        _one(found, part="roster", way="ours", size=size, database=kind, day=day)
        for size in SIZES
    )
    return [(int(one["rows"]), float(one["cpu"])) for one in ours if one]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (heads, *rows)]
    lines.insert(1, "|" + "---|" * len(heads))
    return "\n".join(lines) + "\n"


WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 420, 60, 380, 20
RIGHT = 600


def _svg(found: Figures) -> str:
    """CPU seconds over records, both on logarithmic scales; SQLite solid, else dashed."""
    lines = {
        (kind, day): points
        for kind in ("sqlite", "postgresql")
        for day in DAYS
        if (points := _points(found, kind, day))
    }
    every = [point for points in lines.values() for point in points]
    low_x, high_x = 4.5, 7.0
    low_y = math.floor(min(math.log10(y) for _, y in every))
    high_y = max(low_y + 1, math.ceil(max(math.log10(y) for _, y in every)))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = (math.log10(point[0]) - low_x) / (high_x - low_x)
        y = (math.log10(point[1]) - low_y) / (high_y - low_y)
        return LEFT + x * (RIGHT - LEFT), BOTTOM - y * (BOTTOM - TOP)

    parts = []
    for power in range(low_y, high_y + 1):
        _, y = place((1e5, 10.0**power))
        parts.append(f'<path d="M{LEFT} {y:.0f}H{RIGHT}" stroke="#ddd"/>')
        parts.append(_text(8, y + 4, f"{10.0**power:g} s"))
    for power in (5, 6, 7):
        x, _ = place((10.0**power, 1.0))
        parts.append(f'<path d="M{x:.0f} {TOP}V{BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(x - 20, BOTTOM + 18, f"{10**power:,}"))
    for (kind, day), points in lines.items():
        placed = [place(point) for point in points]
        path = "L".join(f"{x:.0f} {y:.0f}" for x, y in placed)
        dash = "" if kind == "sqlite" else ' stroke-dasharray="5 4"'
        style = f'fill="none" stroke="{_COLOURS[day]}" stroke-width="2"{dash}'
        parts.append(f'<path d="M{path}" {style}/>')
        parts += [
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{_COLOURS[day]}"/>'
            for x, y in placed
        ]
    for number, day in enumerate(DAYS):
        y = TOP + 20 + number * 22
        parts.append(
            f'<path d="M{RIGHT + 15} {y - 4}h20" stroke="{_COLOURS[day]}" stroke-width="2"/>'
        )
        parts.append(_text(RIGHT + 42, y, day))
    parts.append(_text(RIGHT + 15, TOP + 140, "PostgreSQL dashed"))
    parts.append(_text(LEFT, BOTTOM + 36, "CPU seconds of a sync over its records"))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}">{text}</text>'


if __name__ == "__main__":
    main()
