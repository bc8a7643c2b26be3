"""Work that ends itself: at its soft limit by an error, at its hard limit with the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from d118_pipelines.config.run_limits import RunLimits
from d118_pipelines.errors import RunTimeError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.outages import NamedOutages
from d118_pipelines.kernel.stopping import interrupt, limit_passed, time_limits
from d118_pipelines.workflows.runs.run import limit_tags, limits_of

LONG = 3600.0
DEAF = """
import signal, time
from d118_pipelines.kernel.stopping import time_limits
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
with time_limits(0.1, 0.5):
    time.sleep(3600)
"""


def test_the_soft_limit_ends_a_wait_with_its_error() -> None:
    limit = pytest.raises(RunTimeError, match=r"^FAILED run.time_limit")
    with limit, time_limits(0.1, LONG):
        time.sleep(LONG)

    assert limit_passed() is None


@pytest.mark.parametrize("text", ["Query interrupted", "something else"])
def test_what_a_library_makes_of_the_limit_is_the_limit_again(text: str) -> None:
    with pytest.raises(RunTimeError), time_limits(0.1, LONG), NamedOutages():
        try:
            time.sleep(LONG)
        except RunTimeError:
            raise RuntimeError(text) from None


@pytest.mark.timeout(60)
def test_a_query_ends_where_python_has_no_say() -> None:
    pairs = "SELECT count(*) FROM range(3000000) a(x), range(1000000) b(y)"
    long = f"{pairs} WHERE hash(x + y) = 5"
    with closing(open_frames()) as duck:
        with pytest.raises(RunTimeError), time_limits(0.3, LONG), NamedOutages():
            duck.execute(long)
        timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt), NamedOutages():
            duck.execute(long)
        assert duck.execute("SELECT 118").fetchall() == [(118,)]


def test_work_within_its_limits_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGUSR2)

    with time_limits(LONG, 2 * LONG):
        pass

    assert signal.getsignal(signal.SIGUSR2) is before


def test_a_process_that_does_not_hear_ends_at_the_hard_limit() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DEAF], stderr=subprocess.PIPE, text=True
    )

    assert ended.returncode == -signal.SIGKILL
    assert "FAILED run.time_limit" in ended.stderr


def test_an_interrupt_ends_the_main_thread_s_wait() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt()
        time.sleep(LONG)


@pytest.mark.parametrize(
    ("given", "soft", "hard"),
    [({}, 3300, 3600), ({"run_seconds": 1200}, 1100, 1200),
     ({"run_seconds": 7200, "soft_seconds": 60}, 60, 7200)],
)  # fmt: skip
def test_a_job_s_tags_carry_its_limits(
    given: dict[str, int], soft: int, hard: int
) -> None:
    tags = limit_tags(RunLimits(**given))

    assert tags["dagster/max_runtime"] == str(hard)
    assert limits_of(tags) == (soft, hard)


def test_a_run_without_sound_limits_has_the_usual_ones() -> None:
    assert limits_of({}) == (3300, 3600)
    assert limits_of({"d118/soft_limit": "never"}) == (3300, 3600)
    with pytest.raises(ValueError, match="soft_seconds must be smaller"):
        RunLimits(run_seconds=60, soft_seconds=60)
