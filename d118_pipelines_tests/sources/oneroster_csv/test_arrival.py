"""A set counts as arrived when it is whole, at rest and new."""

from __future__ import annotations

from pathlib import Path

from d118_pipelines.sources.oneroster_csv.arrival import Look, look_for_set
from d118_pipelines_tests.support.bundles import set_of, write_folder, write_zip


def looks(path: Path, times: int, state: str = "") -> Look:
    look = Look(state)
    for _ in range(times):
        look = look_for_set(path, look.state)
    return look


def test_set_arrives_with_the_second_look_and_only_once(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "inbox", set_of())

    first = look_for_set(folder)
    second = look_for_set(folder, first.state)
    third = look_for_set(folder, second.state)

    assert first.arrived is None
    assert second.arrived is not None
    assert (second.arrived.path, second.arrived.version) == (folder, "1.1")
    assert third.arrived is None
    assert third.reason == "the set was there before"


def test_growing_file_is_waited_for(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "inbox", set_of())
    look = look_for_set(folder)
    with (folder / "users.csv").open("ab") as file:
        file.write(b"T-1,,,true,S5,teacher,x,,A,B,,,,,,,,\n")

    look = look_for_set(folder, look.state)
    assert look.arrived is None

    assert look_for_set(folder, look.state).arrived is not None


def test_set_without_a_declared_file_is_waited_for(tmp_path: Path) -> None:
    files = set_of()
    late = files.pop("enrollments.csv")
    folder = write_folder(tmp_path / "inbox", files)

    look = looks(folder, 3)
    assert look.arrived is None
    assert "enrollments.csv" in look.reason

    (folder / "enrollments.csv").write_bytes(late)
    assert looks(folder, 2, look.state).arrived is not None


def test_archive_cut_off_is_waited_for(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", set_of())
    data = path.read_bytes()
    path.write_bytes(data[:-100])

    look = looks(path, 3)
    assert look.arrived is None
    assert "zip.not_a_zip" in look.reason

    path.write_bytes(data)
    found = looks(path, 2, look.state).arrived
    assert found is not None
    assert found.path == path


def test_same_contents_written_again_are_not_new(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "inbox", set_of())
    state = looks(folder, 2).state
    write_folder(folder, set_of())

    assert looks(folder, 3, state).arrived is None

    write_folder(folder, set_of(modes={"demographics": "absent"}))
    assert looks(folder, 2, state).arrived is not None


def test_nothing_there_is_no_error(tmp_path: Path) -> None:
    look = looks(tmp_path / "inbox", 2)

    assert look.arrived is None
    assert look.reason == "there is no file set"
