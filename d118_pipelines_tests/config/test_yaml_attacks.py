"""YAML that would crash, hang or fill the reader: an error with file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from d118_pipelines.config.yaml_files import read_yaml
from d118_pipelines.errors import ConfigurationError

ROOT = "name: x\n"
DEEP = "it is nested more than 40 levels deep"
NUMBER = "is too large a number"
NO_VALUE = "is no date, time or number"
NO_TEXT = "it is not plain text in UTF-8"


def multiplied(line: str) -> str:
    """Ten levels, each of which names the one before it ten times."""
    levels = [f"l{n}: &l{n} " + line.replace("X", f"*l{n - 1}") for n in range(1, 10)]
    return "\n".join(["l0: &l0 {k: 1}", *levels])


ATTACKS: dict[str, tuple[str | bytes, int, str]] = {
    "a list in itself": (f"{ROOT}a: &a [*a]", 2, "*a is not there before it"),
    "a mapping in itself": (f"{ROOT}a: &a\n  b: *a", 3, "*a is not there before it"),
    "lists that multiply": (
        multiplied(f"[{', '.join('X' * 10)}]"),
        *(6, "it has more than 100,000 values"),
    ),
    "merges that multiply": (
        multiplied(f"{{<<: [{', '.join('X' * 10)}]}}"),
        *(6, "it has more than 100,000 values"),
    ),
    "5,000 levels": (f"{ROOT}a: " + "[" * 5000 + "]" * 5000, 2, DEEP),
    "100,000 levels": (f"{ROOT}a: " + "{a: " * 100_000, 2, DEEP),
    "100,000 lists": ("- " * 100_000, 1, DEEP),
    "500 levels of indentation": (
        "".join(" " * n + "a:\n" for n in range(500)),
        *(41, DEEP),
    ),
    "an integer of 5,000 digits": (f"{ROOT}a: " + "9" * 5000, 2, NO_VALUE),
    "a hexadecimal one": (f"{ROOT}a: 0x" + "f" * 5000, 2, NUMBER),
    "one of base 60": (f"{ROOT}a: 1" + ":59" * 2000, 2, NUMBER),
    "a day that is none": (f"{ROOT}a: 2026-99-99", 2, f"2026-99-99 {NO_VALUE}"),
    "a day that is none as a key": (f"{ROOT}2026-99-99: a", 2, NO_VALUE),
    "a tag": (f"{ROOT}a: !!bool maybe", 2, "the tag tag:yaml.org,2002:bool is not"),
    "a tab": (f"{ROOT}a:\n\tb: 1", 3, "the line has a tab"),
    "a NUL": (f"{ROOT}a: \0", 2, NO_TEXT),
    "Latin-1": (f"{ROOT}a: é".encode("latin-1"), 2, NO_TEXT),
    "UTF-16": (ROOT.encode("utf-16"), 1, NO_TEXT),
    "binary": (bytes(range(256)), 2, NO_TEXT),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_yaml_attack_is_a_configuration_error_with_its_line(
    tmp_path: Path, name: str
) -> None:
    text, line, said = ATTACKS[name]
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(ConfigurationError) as caught:
        read_yaml(path)

    message = str(caught.value)
    assert message.startswith(f"{path} is not valid YAML: ")
    assert said in message
    assert f"Where: {path}:{line}\n" in message
    assert len(message) < 400


def test_plain_anchors_and_merges_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: *a\n")

    assert read_yaml(path).data == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
        "c": {"x": 1, "y": 2},
    }


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link"])
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.yaml"
    made = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "dangling link": lambda: path.symlink_to("nothing"),
    }
    made[kind]()

    with pytest.raises(ConfigurationError, match=r"x\.yaml (cannot be|does not)"):
        read_yaml(path)
