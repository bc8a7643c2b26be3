"""Measure the console over 60,000 people: alone, and with 50 people while a sync runs.

    python -m bench.console
    python -m bench.console --students 4000 --people 10

The console is a process of its own with a server in Dagster's place, as in the tests;
this process asks. Each figure stands beside that of `/docs`, a page with a session and
nothing else on it, from the same minute.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx

from bench.kept import keep
from bench.roster_district import Size, write_district
from bench.roster_run import PROVIDERS, ROOT, sync

EMPTY, MORNING, PERSON = "/docs", "/", "/person"
PARTS = (
    "config",
    "mappings",
    "sql",
    "dagster.yaml",
    "workspace.yaml",
    "pyproject.toml",
)
ROUNDS = 25
PAUSE_SECONDS = 10.0
TICKS = 100.0  # of a CPU second in /proc


def serve(root: Path) -> None:
    """The console of a project on a free port, which is printed; until its input ends."""
    from d118_pipelines_tests.support.console import on_loopback, running_console
    from d118_pipelines_tests.support.project import ProjectFolder

    with (
        running_console(ProjectFolder.at(root)) as console,
        on_loopback(console) as url,
    ):
        print(url, flush=True)
        sys.stdin.read()


@contextmanager
def served(root: Path) -> Iterator[tuple[str, int]]:
    """The console as a process: its address and process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.console", "--serve", str(root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.stdin.close()
        process.wait(60)


class Looker:
    """One person with a session."""

    def __init__(self, url: str) -> None:
        from d118_pipelines_tests.support.console import ADMIN, PASSWORD

        self._client = httpx.Client(base_url=url, timeout=120)
        form = {"name": ADMIN, "password": PASSWORD}
        assert self._client.post("/sign-in", data=form).status_code == 303
        found = re.search(r'name="csrf" value="(\w+)"', self._client.get("/runs").text)
        assert found is not None
        self._token = found[1]

    def look(self, path: str, key: int = 0) -> float:
        """Ask for a page; the milliseconds until it was there."""
        start = time.perf_counter()
        if path == PERSON:
            form = {"csrf": self._token, "key": f"U{key}"}
            answer = self._client.post(path, data=form)
            assert "In the roster" in answer.text
        else:
            answer = self._client.get(path)
        assert answer.status_code == 200, answer.status_code
        return (time.perf_counter() - start) * 1000


def alone(url: str, pid: int) -> dict[str, dict[str, float]]:
    """Each page by one person: milliseconds, and CPU milliseconds of the console."""
    person, found = Looker(url), {}
    for path in (EMPTY, MORNING, PERSON):
        person.look(path)  # what is read once
        before = _cpu(pid)
        times = [person.look(path, n) for n in range(ROUNDS)]
        found[path] = {"ms": median(times), "cpu_ms": (_cpu(pid) - before) / ROUNDS}
    return found


def together(lookers: list[Looker], work: subprocess.Popen[bytes]) -> dict[str, Any]:
    """All pages by many people, as long as a sync is at work; each looks and thinks."""
    people = len(lookers)
    times: dict[str, list[float]] = {path: [] for path in (EMPTY, MORNING, PERSON)}

    def visit(number: int) -> None:
        time.sleep(PAUSE_SECONDS * number / people)
        turn = 0
        while work.poll() is None:
            path = (MORNING, PERSON, EMPTY)[(number + turn) % 3]
            times[path].append(lookers[number].look(path, number))
            turn += 1
            time.sleep(PAUSE_SECONDS)

    with ThreadPoolExecutor(people) as pool:
        list(pool.map(visit, range(people)))
    return {
        path: {
            "ms": median(found),
            "p95_ms": quantiles(found, n=20)[-1],
            "n": len(found),
        }
        for path, found in times.items()
    }


def _cpu(pid: int) -> float:
    """CPU milliseconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / TICKS * 1000


def main() -> None:
    """Make the district, sync it once, measure."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--students", type=int, default=56_250)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--serve", type=Path)
    wanted = parser.parse_args()
    if wanted.serve:
        serve(wanted.serve)
        return
    size = Size("console", wanted.students, wanted.students * 8)
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), size, wanted.people)


def _measure(folder: Path, size: Size, people: int) -> None:
    project = folder / "project"
    project.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, project / part)
    (project / "config/providers.yaml").write_text(PROVIDERS, encoding="utf-8")
    for name, changed in (("day", False), ("changed", True)):
        write_district(folder / name, size, changed=changed)
    sync(project, folder / "day", "")
    about = {"part": "console", "people": size.students + size.teachers}
    with served(project) as (url, pid):
        single = alone(url, pid)
        for path, figures in single.items():
            keep({**about, "page": path}, figures)
        lookers = [Looker(url) for _ in range(people)]
        again = [sys.executable, "-m", "bench.roster_sync"]
        with subprocess.Popen(
            [*again, str(project), str(folder / "changed")],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        ) as work:
            many = together(lookers, work)
        if work.returncode:
            raise RuntimeError("the sync failed")
    for path in (EMPTY, MORNING, PERSON):
        figures = {**single[path], "looking": people}
        figures |= {f"busy_{name}": value for name, value in many[path].items()}
        keep({**about, "page": path}, figures)


if __name__ == "__main__":
    main()
