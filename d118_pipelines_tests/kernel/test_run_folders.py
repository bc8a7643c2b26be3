"""Folders of runs: hidden while they are filled, named when complete, found again."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from d118_pipelines.kernel.run_folders import (
    new_run_folder,
    newest_run_folder,
    scratch_folder,
)

NOON = dt.datetime(2026, 11, 2, 12, 0, 0, 250, tzinfo=dt.UTC)
MARKER = "manifest.json"


def made(parent: Path, run_id: str, hours: int = 0, marker: str = MARKER) -> Path:
    now = NOON + dt.timedelta(hours=hours)
    with new_run_folder(parent, run_id=run_id, now=now) as folder:
        (folder.path / marker).write_text("{}", encoding="utf-8")
    return folder.final


def test_a_complete_folder_has_its_name_and_is_its_owner_s(tmp_path: Path) -> None:
    chicago = NOON.astimezone(dt.timezone(dt.timedelta(hours=-6)))

    with new_run_folder(tmp_path / "raw", run_id="1f0c9a52-77", now=chicago) as folder:
        assert folder.path.name == ".20261102T120000000250Z-1f0c9a52.part"
        assert not folder.final.exists()

    assert folder.final == tmp_path / "raw/20261102T120000000250Z-1f0c9a52"
    assert folder.final.stat().st_mode & 0o777 == 0o700
    assert list(folder.final.parent.iterdir()) == [folder.final]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        new_run_folder(tmp_path, run_id="1" * 8, now=NOON) as folder,
    ):
        (folder.path / MARKER).touch()
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []


_FILL_AND_DIE = """
import datetime, os, pathlib, signal, sys
from d118_pipelines.kernel.run_folders import RunFolder, scratch_folder
now = datetime.datetime.now(datetime.UTC)
folder = RunFolder(pathlib.Path(sys.argv[1]), run_id="dead" * 8, now=now)
(folder.path / "rows.parquet").touch()
with scratch_folder(pathlib.Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_goes_at_the_next_start_and_a_live_one_s_stays(
    tmp_path: Path,
) -> None:
    subprocess.run([sys.executable, "-c", _FILL_AND_DIE, tmp_path], check=False)
    assert len(list(tmp_path.glob(".*.part"))) == 2

    with (
        new_run_folder(tmp_path, run_id="1" * 8, now=NOON) as first,
        new_run_folder(tmp_path, run_id="2" * 8, now=NOON) as second,
        scratch_folder(tmp_path) as scratch,
    ):
        assert set(tmp_path.iterdir()) == {first.path, second.path, scratch}

    assert set(tmp_path.iterdir()) == {first.final, second.final}


def test_a_run_finds_its_own_folder_else_the_newest_complete_one(
    tmp_path: Path,
) -> None:
    assert newest_run_folder(tmp_path / "nothing") is None
    first, second = made(tmp_path, "a" * 32), made(tmp_path, "b" * 32, hours=1)
    made(tmp_path, "c" * 32, hours=2, marker="other.json")

    assert newest_run_folder(tmp_path) == second
    assert newest_run_folder(tmp_path, "a" * 32) == first
    assert newest_run_folder(tmp_path, "c" * 32) == second


def test_after_a_run_with_a_wrong_clock_the_newest_folder_is_the_last_made(
    tmp_path: Path,
) -> None:
    ahead = made(tmp_path, "a" * 32, hours=24 * 40)

    last = [made(tmp_path, letter * 32, hours=1) for letter in "bc"]

    assert newest_run_folder(tmp_path) == last[1]
    assert [ahead, *last] == sorted([ahead, *last])
    assert last[0].name == "20261212T120000000251Z-bbbbbbbb"


def test_an_extract_of_one_query_is_named_after_the_pulls_of_all_and_before_the_next(
    tmp_path: Path,
) -> None:
    whole = made(tmp_path, "a" * 32, hours=24 * 40)

    single = made(tmp_path / "staff", "b" * 32)
    again = made(tmp_path, "c" * 32)

    assert whole.name < single.name < again.name
