"""A run of a sync in a process of its own, that kills itself at a chosen point or waits.

Belongs here: the process and how it is started. Not here: what must hold afterwards.

    python -m d118_pipelines_tests.faults.child_sync JOB

The job names the sync's folder and target, the time, the run, and what to do.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from d118_pipelines.errors import D118Error
from d118_pipelines.sources.powerschool.embedded import EmbeddedSource
from d118_pipelines.sources.powerschool.source import Binds, Moment, Query, Sink
from d118_pipelines_tests.support.server_sync import ServerSync

if TYPE_CHECKING:
    import pyarrow as pa

LIMIT_SECONDS = 400


def start(sync: ServerSync, **job: Any) -> subprocess.Popen[str]:
    """Begin a run of the sync in a process of its own.

    kill_at: where it kills itself. run_id: deliver what this run made, as soon as a
    line is read from standard input; without it the whole run.
    """
    job |= {"folder": str(sync.folder), "target": sync.name}
    job["now"] = sync.now.isoformat()
    return subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps(job)],
        env={**os.environ, **sync.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_until_killed(sync: ServerSync, kill_at: str, run_id: str = "") -> int:
    """Run in a child that kills itself at the point; its return code."""
    with start(sync, kill_at=kill_at, run_id=run_id) as process:
        process.communicate("go\n", timeout=LIMIT_SECONDS)
    return process.returncode


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process does not go on")


class _KilledSource(EmbeddedSource):
    """Dies when the first batch is written and the file is not closed yet."""

    @contextmanager
    def reading(self, queries: Sequence[Query]) -> Iterator[Moment]:
        with super().reading(queries) as moment:

            def fetch(query: Query, binds: Binds, sink: Sink) -> None:
                def write_and_die(batch: pa.RecordBatch) -> None:
                    sink(batch)
                    _die()

                moment.fetch(query, binds, write_and_die)

            yield Moment(fetch)


class _Killer:
    """Dies after a call to the server, or while the delivery is entered in the ledger."""

    def __init__(self, kill_at: str, now: dt.datetime) -> None:
        self._kill_at = kill_at
        self._now = now
        self._renamed = False
        self._asked = 0

    def after(self, call: str) -> None:
        if call == self._kill_at:
            _die()
        self._renamed = self._renamed or call == "replace 3"

    def clock(self) -> dt.datetime:
        """The time; it is asked for twice in the transaction that ends a delivery."""
        self._asked += self._renamed
        if self._kill_at == "in the commit" and self._asked == 2:
            _die()
        return self._now


def _run(sync: ServerSync, job: dict[str, Any]) -> None:
    kill_at = job.get("kill_at", "")
    sync.run_id = job["run_id"]
    if not sync.run_id:
        if kill_at == "in the extract":
            sync.pull(_KilledSource(sync.tables))
        if kill_at == "after the extract":
            sync.pull()
            _die()
        sync.export()
        if kill_at == "after the export":
            _die()
    else:
        print("ready", flush=True)
        sys.stdin.readline()
    killer = _Killer(kill_at, sync.now)
    sync.deliver(killer.after, clock=killer.clock)


def _main(job: dict[str, Any]) -> None:
    """Print how the run ended: `delivered`, or the error's class and text."""
    now = dt.datetime.fromisoformat(job["now"])
    try:
        _run(ServerSync.attached(Path(job["folder"]), job["target"], now), job)
    except D118Error as exc:
        print(type(exc).__name__)
        print(exc)
    else:
        print("delivered")


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
