"""A district's own folder: made, given copies of shipped files, compared with them.

Called by `cli/folder.py`. Which file of two counts is in `kernel/shipped.py`.
Rule: docs/reference/district_folder.md.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path, PurePosixPath

from d118_pipelines.config.project import is_district_folder
from d118_pipelines.config.yaml_files import check_time_zone
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.kernel.shipped import IN_WHEEL, SHIPPED

RECORD = ".shipped.json"
"""In the folder: file -> SHA-256 of the shipped original when it was copied."""

COPIED_AT_FIRST = (
    "config/district.yaml",
    "config/providers.yaml",
    "dagster.yaml",
    "workspace.yaml",
)
_MAY_BE_COPIED = ("mappings", "sql", "deploy", *COPIED_AT_FIRST)
# What the engines run: read from the package alone, so that both fit each other.
_OF_THE_ENGINE = re.compile(
    r"sql/(roster|targets|sources)(/|$)|sql/staging/[^/]*\.sql$"
)
SAME = "same as shipped"
_LOOKED_THROUGH = ("config", "mappings", "sql", "deploy")


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file of the folder beside the shipped one. The states are in `_state`."""

    file: str
    state: str
    shipped_changed: bool


def make_folder(folder: Path, *, name: str, time_zone: str, own_id: str = "") -> None:
    """Make a district's folder, readable by its owner alone.

    own_id: made of the folder's name if empty; lower-case letters, digits and _.
    Raises: ConfigurationError if it is one already, has a file of one, or the time zone
    is not known.
    """
    if is_district_folder(folder):
        raise ConfigurationError(
            f"{folder} is a district's folder already.", not_done="Nothing was changed."
        )
    try:
        check_time_zone(time_zone)
    except ValueError as exc:
        raise ConfigurationError(f"{exc}.", not_done="Nothing was made.") from None
    taken = [name for name in (".env", *COPIED_AT_FIRST) if (folder / name).exists()]
    if taken:
        raise ConfigurationError(
            f"{folder} has {taken[0]} already.", not_done="Nothing was changed."
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("config", "mappings/targets", "sql"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for private in (".env", "known_hosts"):
        (folder / private).touch(mode=0o600)
    (folder / ".env").write_bytes((SHIPPED / ".env.example").read_bytes())
    for file in COPIED_AT_FIRST:
        copy_shipped(folder, file)
    place = folder / "config/district.yaml"
    text = place.read_text(encoding="utf-8")
    named = own_id or folder.resolve().name
    place.write_text(_as_of(text, named, name or named, time_zone), "utf-8")


def _as_of(example: str, named: str, name: str, time_zone: str) -> str:
    """The shipped district.yaml with another district's name and all shipped targets."""
    own_id = re.sub(r"[^a-z0-9]+", "_", named.lower()).strip("_")
    own_id = own_id if own_id[:1].isalpha() else f"district_{own_id}".rstrip("_")
    values = {"id": own_id, "name": json.dumps(name, ensure_ascii=False)}
    values["time_zone"] = time_zone
    for key, value in values.items():
        line = re.compile(rf"^{key}: [^#\n]*?(?=\s*(#|$))", re.M)
        found = line.search(example)
        assert found is not None
        example = f"{example[: found.start()]}{key}: {value}{example[found.end() :]}"
    targets = _shipped_targets()
    return (
        f"{example}\n# The shipped targets in use; each own file in mappings/targets/ is "
        f"in use as well.\ntargets: [{', '.join(targets)}]\n"
    )


def _shipped_targets() -> list[str]:
    """Names of the shipped targets; of a clone not those that somebody added there."""
    folder = SHIPPED / "mappings/targets"
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    git = None if IN_WHEEL else shutil.which("git")
    if git is None:
        return names
    # Root's clone is not the district's account's: git would refuse it.
    command = [git, "-c", "safe.directory=*", "ls-files", "*.yaml"]
    known = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    ).stdout.split()
    return [name for name in names if f"{name}.yaml" in known] if known else names


def copy_shipped(folder: Path, name: str) -> list[str]:
    """Copy a shipped file, or all files of a shipped folder; returns their names.

    Raises: ConfigurationError if nothing of that name is shipped and meant to be
    changed, or if the folder has one of the files already.
    """
    wanted = str(PurePosixPath(name))
    files = [file for file in _shipped_files(wanted) if not _OF_THE_ENGINE.match(file)]
    if not files or folder == SHIPPED:
        raise ConfigurationError(
            f"There is no shipped file {name} that a district may change.",
            rule="They are below mappings/, sql/powerschool/, sql/exports/, sql/schema/, "
            "sql/staging/<type>/ and deploy/.",
            not_done="Nothing was copied.",
        )
    taken = [file for file in files if (folder / file).exists()]
    if taken:
        raise ConfigurationError(
            f"{taken[0]} is in this folder already.",
            not_done="Nothing was copied.",
            next_step=f"See how it differs: d118 diff {taken[0]}",
        )
    for file in files:
        place = folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((SHIPPED / file).read_bytes())
    remember(folder, files)
    return files


def remember(folder: Path, files: list[str]) -> None:
    """Record the shipped originals of these files as they are now."""
    known = {**_recorded(folder), **{file: _digest(SHIPPED / file) for file in files}}
    text = json.dumps(dict(sorted(known.items())), indent=1)
    (folder / RECORD).write_text(f"{text}\n", encoding="utf-8")


def own_files(folder: Path) -> list[OwnFile]:
    """What the folder has of its own, by name; nothing in the repository itself."""
    if folder == SHIPPED:
        return []
    record = _recorded(folder)
    places = [folder / name for name in COPIED_AT_FIRST if "/" not in name]
    for part in _LOOKED_THROUGH:
        places += [path for path in (folder / part).rglob("*") if path.is_file()]
    files = sorted(p.relative_to(folder).as_posix() for p in places if p.is_file())
    return [_compared(folder, file, record.get(file)) for file in files]


def difference(folder: Path, file: str) -> Iterator[str]:
    """The lines of a unified diff from the shipped file to the folder's.

    Raises: ConfigurationError if the folder does not have it.
    """
    if not (folder / file).is_file():
        raise ConfigurationError(
            f"This folder has no {file}.",
            rule="What it does not have comes from the package.",
            next_step=f"To change the shipped file: d118 customize {file}",
        )
    shipped, own = _lines(SHIPPED / file), _lines(folder / file)
    return unified_diff(shipped, own, f"shipped/{file}", file, lineterm="")


def _compared(folder: Path, file: str, recorded: str | None) -> OwnFile:
    shipped = _digest(SHIPPED / file)
    has_changed = recorded is not None and recorded != shipped
    return OwnFile(file, _state(folder, file, shipped), has_changed)


def _state(folder: Path, file: str, shipped: str) -> str:
    if _OF_THE_ENGINE.match(file):
        return "not read: the engine uses the shipped one"
    if not shipped:
        return "own"
    is_same = _digest(folder / file) == shipped
    return SAME if is_same else "changed"


def _shipped_files(name: str) -> list[str]:
    """The shipped files of that name or in that folder, none outside what may be."""
    parts = PurePosixPath(name).parts
    allowed = name in COPIED_AT_FIRST or (parts and parts[0] in _MAY_BE_COPIED)
    if not allowed or ".." in parts:
        return []
    place = SHIPPED / name
    paths = [place] if place.is_file() else sorted(place.rglob("*"))
    return [p.relative_to(SHIPPED).as_posix() for p in paths if p.is_file()]


def _recorded(folder: Path) -> dict[str, str]:
    """The record. Raises: ConfigurationError if it is damaged."""
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(file): str(digest) for file, digest in found.items()}
    except (OSError, ValueError, AttributeError):
        raise ConfigurationError(
            f"{RECORD} cannot be read.",
            next_step=f"Remove {RECORD}, then compare each file: d118 diff FILE",
        ) from None


def _digest(path: Path) -> str:
    """SHA-256 of a file, empty where there is none."""
    return sha256_of(path) if path.is_file() else ""


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines()
