"""Both kinds of destination keep the same protocol, call by call."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from d118_pipelines.delivery.remote import FileStat
from d118_pipelines.errors import DestinationError, ExportError
from d118_pipelines_tests.delivery.destinations import Destination


def nothing(sent: int) -> None:
    pass


@pytest.mark.parametrize("size", [0, 1, 32_768, 2_200_000])
def test_file_of_any_size_is_put_and_read_back(
    destination: Destination, tmp_path: Path, size: int
) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    source = tmp_path / "source"
    source.write_bytes(data[:size])
    sent: list[int] = []

    with destination.connect() as remote:
        remote.put(source, "Job Types.txt", sent.append)
        remote.set_mtime("Job Types.txt", 1_700_000_000)
        found = remote.stat("Job Types.txt")
        sha256 = remote.sha256("Job Types.txt")

    assert destination.contents() == {"Job Types.txt": data[:size]}
    assert found == FileStat(size, 1_700_000_000)
    assert sha256 == hashlib.sha256(data[:size]).hexdigest()
    assert sent[0] == 0
    assert sent[-1] == size
    assert sent == sorted(sent)


def test_missing_file_has_no_stat_and_is_not_listed(destination: Destination) -> None:
    (destination.folder / "W2.csv").write_bytes(b"2")
    (destination.folder / "E1.csv").write_bytes(b"3")

    with destination.connect() as remote:
        assert remote.stat("P1.csv") is None
        assert remote.listing() == ["E1.csv", "W2.csv"]


def test_renamed_file_takes_the_place_of_the_old_one(destination: Destination) -> None:
    (destination.folder / "P1.csv.part").write_bytes(b"new")
    (destination.folder / "P1.csv").write_bytes(b"old")

    with destination.connect() as remote:
        remote.replace("P1.csv.part", "P1.csv")

    assert destination.contents() == {"P1.csv": b"new"}


def test_rename_of_a_missing_file_leaves_the_old_one(destination: Destination) -> None:
    (destination.folder / "P1.csv").write_bytes(b"old")

    with (
        destination.connect() as remote,
        pytest.raises(DestinationError, match=r"rename P1\.csv\.part"),
    ):
        remote.replace("P1.csv.part", "P1.csv")

    assert destination.contents() == {"P1.csv": b"old"}


def test_removed_file_is_gone(destination: Destination) -> None:
    (destination.folder / "P1.csv").write_bytes(b"data")

    with destination.connect() as remote:
        remote.remove("P1.csv")
        assert destination.contents() == {}
        with pytest.raises(DestinationError, match=r"delete P1\.csv"):
            remote.remove("P1.csv")


def test_local_file_that_is_not_there_cannot_be_sent(
    destination: Destination, tmp_path: Path
) -> None:
    with (
        destination.connect() as remote,
        pytest.raises(ExportError, match="cannot be read"),
    ):
        remote.put(tmp_path / "absent", "P1.csv", nothing)

    assert destination.contents() == {}
