"""Dropped files: seen when they stand still, moved away when they were read."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.csv_files.arrival import archive, csv_files, look
from d118_pipelines.sources.csv_files.opened import find_form
from d118_pipelines.sources.csv_files.source import CsvSource, read_stamps
from d118_pipelines.sources.pull import PullStore
from d118_pipelines_tests.sources.csv_files.folders import (
    NOW,
    RULES,
    pulled,
    user,
    users,
    write,
)


def test_set_has_arrived_when_two_looks_find_the_same(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "x"})
    first = look(tmp_path)
    write(tmp_path, {"a.csv": "xy"})
    second = look(tmp_path, first.cursor)
    third = look(tmp_path, second.cursor)
    fourth = look(tmp_path, third.cursor)

    assert (first.run_key, second.run_key) == (None, None)
    assert third.run_key is not None
    assert fourth == third


def test_new_file_begins_the_waiting_again(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "x"})
    settled = look(tmp_path, look(tmp_path).cursor)
    write(tmp_path, {"b.csv": "y"})

    assert look(tmp_path, settled.cursor).run_key is None


def test_run_key_is_of_the_contents_not_of_the_time(tmp_path: Path) -> None:
    keys = []
    for name, text in (("1", "x"), ("2", "x"), ("3", "z")):
        write(tmp_path / name, {"a.csv": text})
        keys.append(look(tmp_path / name, look(tmp_path / name).cursor).run_key)

    assert keys[0] == keys[1]
    assert keys[2] not in (None, keys[0])


def test_empty_inbox_is_no_arrival(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        assert look(folder, look(folder).cursor).run_key is None


def test_only_visible_csv_files_of_the_folder_itself_count(tmp_path: Path) -> None:
    write(tmp_path, {"b.CSV": "x", "a.csv": "x", ".a.csv": "x", "a.csv.part": "x"})
    write(tmp_path / "processed", {"c.csv": "x"})
    (tmp_path / "folder.csv").mkdir()

    assert [path.name for path in csv_files(tmp_path)] == ["a.csv", "b.CSV"]


def test_files_that_were_read_move_and_newer_ones_stay(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.csv": users(user("1")),
        "b.csv": users(user("2")),
    }
    result = pulled(tmp_path, files)
    inbox = tmp_path / "inbox"
    write(inbox, {"b.csv": users(user("2"), user("3")), "c.csv": "new"})

    moved = archive(inbox, "20260901", read_stamps(result.pull.details))

    assert moved == ["a.csv"]
    assert [path.name for path in csv_files(inbox)] == ["b.csv", "c.csv"]
    kept = inbox / "processed/20260901/a.csv"
    assert kept.read_text("utf-8") == files["a.csv"]


def test_file_that_changes_while_it_is_read_fails_the_pull(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    write(inbox, {"a.csv": users(*(user(str(n)) for n in range(3_000)))})

    def grow(name: str, rows: int, pages: int, seconds: float) -> None:
        with (inbox / "a.csv").open("a") as file:
            file.write(user("late") + "\n")

    store = PullStore(tmp_path / "raw", run_id="1" * 8, now=NOW, on_progress=grow)
    with pytest.raises(IncompleteExtractError, match=r"csv\.file_changed  a\.csv"):
        CsvSource(inbox, RULES).pull(store)


def test_form_does_not_depend_on_where_blocks_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id;name\n" + b"x" * ((1 << 20) - 9) + "ë".encode() + b"\n")

    form = find_form(path, encoding=None, detect=True)

    assert (form.encoding, form.delimiter) == ("utf-8", ";")
