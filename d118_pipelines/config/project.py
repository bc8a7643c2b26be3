"""The project: where its files are, where it writes, what its environment says.

Every room above takes one. What a file says is in `district.py` and `providers.py`, how
one is read in `yaml_files.py`.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from d118_pipelines.config.district import District
from d118_pipelines.config.providers import Provider, load_providers
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.config.yaml_files import read_model, shown_path
from d118_pipelines.errors import ConfigurationError, MissingSecretError, NoFolderError
from d118_pipelines.kernel.outages import outage_of
from d118_pipelines.kernel.shipped import IN_WHEEL, SHIPPED, file_of

MODULE, LOCATION = "d118_pipelines.definitions", "d118"
"""What Dagster loads, and its name there, as in workspace.yaml."""

DISTRICT_FILE = "config/district.yaml"


@dataclass(frozen=True)
class Project:
    """Where the files of this project are, and where it writes.

    It reads each file once: a command or a run sees one state. What lives longer asks
    for `fresh()`.
    """

    root: Path
    home: Path

    @classmethod
    def here(cls) -> Project:
        """The district's folder that one is in, else the repository of this package.

        `D118_HOME` (default `var` in the project) is where everything is written.
        Raises: NoFolderError if the package has no repository (a wheel).
        """
        here = Path.cwd()
        root = here if is_district_folder(here) else SHIPPED
        if root == SHIPPED and IN_WHEEL:
            raise NoFolderError(
                f"{here} is no district's folder.",
                rule="One has config/district.yaml.",
                not_done="Nothing was started.",
                next_step="cd to it, name it with d118 --project FOLDER, or make one: "
                "d118 init FOLDER",
            )
        return cls(root, root / (os.environ.get("D118_HOME") or "var"))

    def fresh(self) -> Project:
        """The same project with nothing read yet."""
        return replace(self)

    def district(self) -> District:
        """What `config/district.yaml` says. Raises: ConfigurationError."""
        return self._district

    def providers(self) -> list[Provider]:
        """The sound entries of `config/providers.yaml`, in its order.

        Raises: ConfigurationError of `config/district.yaml`.
        """
        return self._providers[0]

    def broken_providers(self) -> list[Misconfigured]:
        """The entries of `config/providers.yaml` that are not sound. Raises: same."""
        return self._providers[1]

    def local(self, moment: dt.datetime | None) -> dt.datetime | None:
        """The moment in the district's time zone."""
        return moment.astimezone(self.district().zone) if moment else None

    @cached_property
    def _district(self) -> District:
        return read_model(District, self.root / DISTRICT_FILE)

    @cached_property
    def _providers(self) -> tuple[list[Provider], list[Misconfigured]]:
        return load_providers(self.root, district=self.district().id)

    def file(self, name: str) -> Path:
        """The folder's file of that name, else the one that the package ships."""
        return file_of(self.root, name)

    def folder(self, *parts: str) -> Path:
        """A folder below `D118_HOME`, made if absent, readable by its owner alone.

        Raises: ConfigurationError if it cannot be made.
        """
        path = self.home
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for part in parts:
                # One by one: parents that mkdir makes are open to everybody.
                path = path / part
                path.mkdir(exist_ok=True, mode=0o700)
        except OSError as exc:
            raise outage_of(exc) or ConfigurationError(
                f"The folder {shown_path(path)} cannot be made: {exc.strerror}.",
                next_step="Set D118_HOME to a folder that can be written.",
            ) from exc
        return path


def is_district_folder(folder: Path) -> bool:
    """Whether a folder is a district's: `d118 init` made it, or it is the repository."""
    with suppress(OSError):  # one that this account may not look into is none
        return any((folder / n).exists() for n in (DISTRICT_FILE, "mappings/targets"))
    return False


def environment_value(name: str, *, needed_for: str) -> str:
    """The value of an environment variable. Raises: MissingSecretError naming it."""
    value = os.environ.get(name, "")
    if not value:
        raise MissingSecretError(
            f"The environment variable {name} is not set.",
            rule=f"It is needed for {needed_for}.",
            not_done="No connection was made.",
            next_step=f"Set {name} in .env (see .env.example), then run: d118 doctor",
        )
    return value
