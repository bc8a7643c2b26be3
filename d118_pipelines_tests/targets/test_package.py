"""Files are hashed and packed in a thread of their own, in the order they are given."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from d118_pipelines.targets.model import Package
from d118_pipelines.targets.package import Packing

PACKAGE = Package(archive="set.zip", compression="deflate")
TEXTS = {"b.csv": "id\n1\n" * 5000, "a.csv": "id\n2\n", "kept.csv": "id\n3\n"}


def put(folder: Path) -> None:
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")


def test_the_archive_is_whole_when_it_is_read_back(tmp_path: Path) -> None:
    put(tmp_path)
    with Packing(PACKAGE, tmp_path) as packing:
        hashes = {
            name: packing.add(tmp_path / name, is_delivered=name != "kept.csv")
            for name in TEXTS
        }
        archive, names = packing.finish(
            lambda p: zipfile.ZipFile(p).namelist()
        ).result()

    assert names == ["b.csv", "a.csv"]
    assert archive == hashlib.sha256((tmp_path / "set.zip").read_bytes()).hexdigest()
    for name, text in TEXTS.items():
        assert hashes[name].result() == hashlib.sha256(text.encode()).hexdigest()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept.csv", "set.zip"]


def test_a_set_without_archive_keeps_its_files(tmp_path: Path) -> None:
    put(tmp_path)
    with Packing(None, tmp_path) as packing:
        found = packing.add(tmp_path / "a.csv", is_delivered=True).result()

    assert found == hashlib.sha256(TEXTS["a.csv"].encode()).hexdigest()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(TEXTS)


def test_what_packing_a_file_raises_reaches_the_export(tmp_path: Path) -> None:
    put(tmp_path)
    with Packing(PACKAGE, tmp_path) as packing:
        gone = packing.add(tmp_path / "gone.csv", is_delivered=True)

        with pytest.raises(FileNotFoundError):
            gone.result()
