"""What is committed: no machine's places, locked dependencies, files of a readable size."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from d118_pipelines_tests.support.project import REPOSITORY

MOST_LINES = 500
READABLE = {".py", ".sql", ".yaml", ".md", ".toml", ""}
# Installed programs may be in a folder d118. Parts are joined here so that this file does not hold what it looks for.
MACHINE_PLACES = re.compile(
    "|".join(
        rf"(?<![\w.]){'/' + name}/(?!d118\b)\w"
        for name in ("work", "root", "home", "tmp", "opt", "mnt", "Users")
    )
)
REGISTRIES = re.compile(
    "|".join(
        [
            "pypi" + r"\.org",
            "python" + "hosted",
            "(?<!emit-)index" + "-url",
            "find" + "-links",
            "trusted" + "-host",
            "arti" + "factory",
            "dev" + "pi",
        ]
    ),
    re.IGNORECASE,
)
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def committed() -> list[Path]:
    """Every file that git knows; skips where this is no checkout."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("this is not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout.decode("utf-8")
    paths = [REPOSITORY / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    """The file's text, empty for one that is none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_names_a_place_of_one_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}"
        for path in committed()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if MACHINE_PLACES.search(line) or REGISTRIES.search(line)
    ]

    assert found == []


def test_nothing_secret_or_written_at_run_time_is_committed() -> None:
    names = {path.name for path in committed()}

    assert not names & {".env", "private.pem", "known_hosts", "d118.sqlite"}
    tops = {path.relative_to(REPOSITORY).parts[0] for path in committed()}
    assert not tops & {"var", ".dagster", ".venv", "build"}


MADE = ("requirements.lock", "readable_columns.md", "cli.md")
"""Files that a command writes; nobody reads them from end to end."""


def test_files_are_short_enough_to_be_read() -> None:
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in committed()
        if path.suffix in READABLE and path.name not in MADE
        for lines in [text_of(path).count("\n")]
        if lines > MOST_LINES
    }

    assert long == {}


def locked() -> dict[str, str]:
    """Name and whole entry of every package of requirements.lock."""
    text = (REPOSITORY / "requirements.lock").read_text("utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.M)
    return {re.split(r"[=\[]", e, maxsplit=1)[0]: e for e in entries if e[:1].isalnum()}


def test_every_locked_package_has_its_version_and_hashes() -> None:
    packages = locked()

    assert len(packages) > 80
    for name, entry in packages.items():
        assert re.match(rf"{re.escape(name)}(\[[\w,-]+\])?==\S+", entry), name
        assert HASH.search(entry), name


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))[
        "project"
    ]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {
        re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0].lower()
        for requirement in wanted
    }

    assert names <= set(locked())


def test_the_makefile_has_what_the_pages_promise() -> None:
    text = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", text, re.M))
    [phony] = re.findall(r"^\.PHONY: (.+)$", text, re.M)

    assert targets == set(phony.split())
    assert {"demo", "ui", "test", "bench", "lint", "screenshots"} <= targets


def test_settings_of_dagster_agree_with_each_other() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text("utf-8"))

    [location] = [entry["python_module"] for entry in workspace["load_from"]]
    tool = project["tool"]
    assert location["module_name"] == tool["dagster"]["module_name"]
    assert location["location_name"] == tool["dagster"]["code_location_name"]
    dg = tool["dg"]["project"]
    assert dg["code_location_target_module"] == location["module_name"]
    assert dg["code_location_name"] == location["location_name"]


def test_dagster_tells_nobody_and_keeps_its_history_in_the_project() -> None:
    settings = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text("utf-8"))

    assert settings["telemetry"] == {"enabled": False}
    assert settings["run_monitoring"]["enabled"] is True
    assert settings["run_queue"]["dequeue_interval_seconds"] == 1
    assert settings["storage"]["sqlite"]["base_dir"] == ".dagster/storage"
    for name in ("schedule", "sensor"):
        assert settings["retention"][name]["purge_after_days"]
