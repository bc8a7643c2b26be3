"""Measure the two staff syncs as whole processes, as ratios in one run.

For each size: `dagster asset materialize --select '+group:TARGET'` (first run and next
day) beside an empty Dagster run of as many assets and beside the plain script, with its
database in the same process and one round trip away.

    python -m bench.run                      620 and 50,000 staff
    python -m bench.run --staff 620 --rounds 5
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.kept import keep
from bench.staff_tables import load_sqlite, make_staff_tables

ROOT = Path(__file__).parents[1]
TARGETS = ("hr_records", "smartfind")
ROUND_TRIP_MILLISECONDS = 1.0
EMPTY = """
import dagster as dg

@dg.asset
def extract() -> None: ...

@dg.asset(deps=[extract])
def export() -> None: ...

@dg.asset(deps=[export])
def delivery() -> None: ...

defs = dg.Definitions(
    assets=[extract, export, delivery], executor=dg.in_process_executor
)
"""


@dataclass(frozen=True, slots=True)
class Measure:
    """One whole process: seconds of wall clock and CPU, peak resident memory in MB."""

    seconds: float
    cpu: float
    peak_mb: float


def measure(command: list[str], folder: Path, environment: dict[str, str]) -> Measure:
    """Run a process to its end. Raises: RuntimeError with its output if it fails."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise RuntimeError(output.read().decode()[-3000:])
    cpu = usage.ru_utime + usage.ru_stime
    return Measure(seconds, cpu, usage.ru_maxrss / 1024)


class Bench:
    """One folder per size: a project, generated tables, and a SQLite copy of them."""

    def __init__(self, folder: Path, staff: int) -> None:
        self.folder = folder
        self.tables = folder / "tables"
        self.newest = make_staff_tables(self.tables, staff, seed=118)
        self.database = folder / "powerschool.sqlite"
        load_sqlite(self.tables, self.database)
        self.project = folder / "project"
        for name in ("config", "mappings", "sql", "dagster.yaml"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            self.project.mkdir(exist_ok=True)
            copy(source, self.project / name)
        self.empty = folder / "empty"
        self.empty.mkdir()
        shutil.copy(ROOT / "dagster.yaml", self.empty)
        (self.empty / "empty_definitions.py").write_text(EMPTY, encoding="utf-8")
        self.environment = {
            **{k: v for k, v in os.environ.items() if "_SFTP_" not in k},
            "POWERSCHOOL_CSV_DIR": str(self.tables),
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": str(ROOT),
        }
        self.environment.pop("DAGSTER_HOME", None)

    def run_empty(self) -> Measure:
        """An empty Dagster run of three assets."""
        return self._dagster("empty_definitions", "*", self.empty)

    def run_ours(self, target: str) -> Measure:
        """One sync as the schedule or a shell runs it."""
        return self._dagster(
            "d118_pipelines.definitions", f"+group:{target}", self.project
        )

    def run_script(self, target: str, *, remote: bool) -> Measure:
        """The plain script, with its database here or one round trip away."""
        module = "bench.remote_script" if remote else "bench.plain_script"
        command = [sys.executable, "-m", module, target, "--database"]
        command += [str(self.database), "--out", str(self.folder / "out")]
        command += ["--newest-dcid", str(self.newest)]
        if remote:
            command += ["--milliseconds", str(ROUND_TRIP_MILLISECONDS)]
        return measure(command, ROOT, self.environment)

    def forget(self) -> None:
        """Start from nothing, with the seed that the script's watermark gives."""
        shutil.rmtree(self.project / "var", ignore_errors=True)
        d118 = Path(sys.executable).with_name("d118")
        seed = ["ledger", "seed", "smartfind", "--newest-dcid", str(self.newest)]
        measure([str(d118), *seed], self.project, self.environment)

    def _dagster(self, module: str, selection: str, folder: Path) -> Measure:
        dagster = Path(sys.executable).with_name("dagster")
        command = [str(dagster), "asset", "materialize", "-m", module]
        return measure([*command, "--select", selection], folder, self.environment)


def best(measures: list[Measure]) -> Measure:
    """The quickest of several runs: the one that other work disturbed least."""
    return min(measures, key=lambda m: m.cpu)


def bench_size(folder: Path, staff: int, rounds: int) -> list[dict[str, str]]:
    """Measure everything at one size, alternating, and return the table's rows."""
    bench = Bench(folder, staff)
    found: dict[str, list[Measure]] = {}
    for turn in range(rounds):
        bench.forget()
        found.setdefault("empty", []).append(bench.run_empty())
        for target in TARGETS:
            for name, run in {
                f"{target} first": lambda t=target: bench.run_ours(t),
                f"{target} next": lambda t=target: bench.run_ours(t),
                f"{target} script": lambda t=target: bench.run_script(t, remote=False),
            }.items():
                found.setdefault(name, []).append(run())
            if turn == 0:
                remote = bench.run_script(target, remote=True)
                found[f"{target} remote"] = [remote]
        print(f"{staff} staff: round {turn + 1} of {rounds} done", file=sys.stderr)
    return [_row(staff, target, run, found) for target in TARGETS for run in _RUNS]


_RUNS = ("first", "next")


def _row(
    staff: int, target: str, run: str, found: dict[str, list[Measure]]
) -> dict[str, str]:
    ours = best(found[f"{target} {run}"])
    empty = best(found["empty"])
    script = best(found[f"{target} script"])
    remote = best(found[f"{target} remote"])
    return {
        "staff": f"{staff:,}",
        "sync": f"{target}, {'first run' if run == 'first' else 'next run'}",
        "ours": f"{ours.seconds:.2f} s, {ours.cpu:.2f} s CPU, {ours.peak_mb:.0f} MB",
        "CPU of ours / of an empty Dagster run": f"{ours.cpu / empty.cpu:.2f}",
        "wall": f"{ours.seconds / empty.seconds:.2f}",
        "script / ours": f"{script.seconds / ours.seconds:.2f}",
        "script with 1 ms a query / ours": f"{remote.seconds / ours.seconds:.2f}",
        "script": f"{script.seconds:.2f} s, {script.peak_mb:.0f} MB",
    }


def main() -> None:
    """Measure the asked sizes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--staff", type=int, nargs="*", default=[620, 50_000])
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    for staff in wanted.staff:
        with tempfile.TemporaryDirectory() as folder:
            for row in bench_size(Path(folder), staff, wanted.rounds):
                about = {"part": "staff", "staff": row["staff"], "sync": row["sync"]}
                keep(about, {**row, "columns": list(row)})


if __name__ == "__main__":
    main()
