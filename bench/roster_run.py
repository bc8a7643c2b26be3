"""Measure rosters in: generated districts, both databases, beside plain ways to write.

    python -m bench.roster_run                          S and M, SQLite and PostgreSQL
    python -m bench.roster_run --sizes XL --databases sqlite --no-baselines

For each size and database a sync of each kind of day, as a process of its own over
OneRoster CSV; then the plain ways of `roster_baselines.py` on the same files and
database. Each figure goes to `bench/results.json` at once, in place of the last about
the same, so that sizes can be measured one by one; `results.py` makes the page of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.kept import keep
from bench.roster_district import SIZES, Size, write_district

ROOT = Path(__file__).parents[1]
ENGINES = ["sqlite", "postgresql"]
# What is measured -> the folder that is read. Again: the first run after a change, which is
# done in full although nothing differs.
DAYS = {
    "first": "day",
    "again": "day",
    "same content": "day",
    "other bytes": "backwards",
    "1 % changed": "changed",
}
FOLDERS: dict[str, dict[str, bool]] = {
    "day": {},
    "backwards": {"backwards": True},
    "changed": {"changed": True},
}
# The days on which the plain ways are measured, and the ways that are too slow for more.
PLAIN_DAYS = ("first", "1 % changed")
FIRST_ONLY = ("orm", "floor")
PROVIDERS = """providers:
  - id: bench
    type: ONEROSTER_CSV
    name: Generated district
    config: {path: "${BENCH_FOLDER}"}
    limits: {max_records: 20000000}
"""
# One merge per record takes a millisecond: at M one day of it is seven minutes.
ORM_SIZES = ("S",)


def sync(project: Path, folder: Path, url: str) -> dict[str, Any]:
    """One sync as a process. Raises: RuntimeError with its output if it fails."""
    command = [sys.executable, "-m", "bench.roster_sync", str(project), str(folder)]
    return dict(json.loads(run(command, url).splitlines()[-1]))


def baseline(way: str, folder: Path, url: str) -> dict[str, Any]:
    """What one plain way takes."""
    command = [sys.executable, "-m", "bench.roster_baselines", way, str(folder), url]
    return dict(json.loads(run(command, url).splitlines()[-1]))


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
    for way in ("select", "pandas", "orm", "floor"):
        server().execute(f"DROP DATABASE IF EXISTS plain_{way}")
        server().execute(f"CREATE DATABASE plain_{way}")
    yield server().url("roster"), server().url("plain")


def bench_size(size: Size, kind: str, folder: Path, ways: list[str]) -> None:
    """Measure one size on one database; each figure is kept at once."""
    for name, options in FOLDERS.items():
        if not (folder / name).is_dir():
            write_district(folder / name, size, **options)
    project = folder / f"project_{kind}"
    for part in ("config", "mappings", "sql"):
        shutil.copytree(ROOT / part, project / part)
    (project / "config/providers.yaml").write_text(PROVIDERS, encoding="utf-8")
    about = {"part": "roster", "size": size.name, "database": kind}
    with database(kind, folder) as (url, plain_url):
        for day, name in DAYS.items():
            found = sync(project, folder / name, url)
            keep({**about, "day": day, "way": "ours"}, found)
            for way in ways:
                if day == "first" or (day in PLAIN_DAYS and way not in FIRST_ONLY):
                    found = baseline(way, folder / name, _of_way(plain_url, way))
                    keep({**about, "day": day, "way": way}, found)
    shutil.rmtree(project)


def _of_way(url: str, way: str) -> str:
    """A database of its own for each way."""
    return url.replace("plain", f"plain_{way}")


def main() -> None:
    """Measure the asked sizes and databases."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sizes", nargs="*", default=["S", "M"], choices=SIZES)
    parser.add_argument("--databases", nargs="*", default=ENGINES, choices=ENGINES)
    parser.add_argument("--no-baselines", action="store_true")
    wanted = parser.parse_args()
    for name in wanted.sizes:
        ways = ["floor"] if wanted.no_baselines else ["floor", "select", "pandas"]
        if not wanted.no_baselines and name in ORM_SIZES:
            ways.append("orm")
        with tempfile.TemporaryDirectory() as folder:
            for kind in wanted.databases:
                bench_size(SIZES[name], kind, Path(folder), ways)


if __name__ == "__main__":
    main()
