"""Measure rosters in: generated districts, both databases, beside plain ways to write.

    python -m bench.roster_run                          S and M, SQLite and PostgreSQL
    python -m bench.roster_run --sizes XL --no-baselines

For each size and database: a first sync, an unchanged one and one with 1 % changed, each
a process of its own over OneRoster CSV; then the plain ways of `roster_baselines.py` on
the same files and database. Prints one table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.roster_district import SIZES, Size, write_district

ROOT = Path(__file__).parents[1]
DAYS = ("first", "unchanged", "1 % changed")
PROVIDERS = """providers:
  - id: bench
    type: ONEROSTER_CSV
    name: Generated district
    config: {path: "${BENCH_FOLDER}"}
    limits: {max_records: 20000000}
"""
# One merge per record takes a millisecond: at M one day of it is seven minutes.
ORM_SIZES = ("S", "M")


def sync(project: Path, folder: Path, url: str) -> dict[str, Any]:
    """One sync as a process. Raises: RuntimeError with its output if it fails."""
    command = [sys.executable, "-m", "bench.roster_sync", str(project), str(folder)]
    return dict(json.loads(run(command, url).splitlines()[-1]))


def baseline(way: str, folder: Path, url: str) -> float:
    """Seconds that one plain way takes."""
    command = [sys.executable, "-m", "bench.roster_baselines", way, str(folder), url]
    return float(re.findall(r"([0-9.]+) s,", run(command, url))[0])


def run(command: list[str], url: str) -> str:
    """Standard output of a process over the database of that URL."""
    environment = {**os.environ, "DATABASE_URL": url if "postgres" in url else ""}
    finished = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed")
    return finished.stdout


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """URLs of two empty databases: for the sync, for the baselines."""
    if kind == "sqlite":
        yield "", f"sqlite:///{folder}/plain.sqlite"
        return
    from d118_pipelines_tests.support.postgres import server

    # With the tests' settings: nothing is written through to the disk.
    for name in ("roster", "plain"):
        server().execute(f"DROP DATABASE IF EXISTS {name}")
        server().execute(f"CREATE DATABASE {name}")
    for way in ("select", "pandas", "orm"):
        server().execute(f"DROP DATABASE IF EXISTS plain_{way}")
        server().execute(f"CREATE DATABASE plain_{way}")
    yield server().url("roster"), server().url("plain")


def bench_size(size: Size, kind: str, folder: Path, ways: list[str]) -> list[list[str]]:
    """Measure one size on one database; the table's rows."""
    days = {name: folder / ("changed" if name == DAYS[2] else "day") for name in DAYS}
    for name, path in days.items():
        if not path.is_dir():
            write_district(path, size, changed=name == DAYS[2])
    project = folder / f"project_{kind}"
    for part in ("config", "mappings", "sql"):
        shutil.copytree(ROOT / part, project / part)
    (project / "config/providers.yaml").write_text(PROVIDERS, encoding="utf-8")
    rows = []
    with database(kind, folder) as (url, plain_url):
        for name, path in days.items():
            ours = sync(project, path, url)
            plain = {
                way: baseline(way, path, _of_way(plain_url, way))
                for way in ways
                if way != "orm" or name == DAYS[0]
            }
            rows.append(_row(size, kind, name, ours, plain))
            print(" | ".join(rows[-1]), file=sys.stderr)
    shutil.rmtree(project)
    return rows


def _of_way(url: str, way: str) -> str:
    """A database of its own for each way."""
    return url.replace("plain", f"plain_{way}")


HEADINGS = [
    "size",
    "database",
    "sync",
    "seconds",
    "pull, stage, plan, apply",
    "rows a second",
    "peak MB",
    "changes",
    "ORM merge / ours",
    "SELECT, then write / ours",
    "pandas merge / ours",
]


def _row(
    size: Size, kind: str, day: str, ours: dict[str, Any], plain: dict[str, float]
) -> list[str]:
    ratios = [
        f"{plain[way] / ours['seconds']:.1f}" if way in plain else "-"
        for way in ("orm", "select", "pandas")
    ]
    return [
        size.name,
        kind,
        day,
        f"{ours['seconds']:.1f}",
        ", ".join(f"{seconds:.1f}" for seconds in ours["steps"].values()),
        f"{ours['rows'] / ours['seconds']:,.0f}",
        f"{ours['peak_mb']:,}",
        f"{ours['changes']:,}",
        *ratios,
    ]


def main() -> None:
    """Measure the asked sizes and databases and print one Markdown table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sizes", nargs="*", default=["S", "M"], choices=SIZES)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--no-baselines", action="store_true")
    wanted = parser.parse_args()
    rows = []
    for name in wanted.sizes:
        ways = [] if wanted.no_baselines else ["select", "pandas"]
        if ways and name in ORM_SIZES:
            ways.append("orm")
        with tempfile.TemporaryDirectory() as folder:
            for kind in wanted.databases:
                rows += bench_size(SIZES[name], kind, Path(folder), ways)
    print("| " + " | ".join(HEADINGS) + " |")
    print("|" + "---|" * len(HEADINGS))
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
