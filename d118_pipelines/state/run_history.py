"""Where Dagster keeps its run history, read from its dagster.yaml, and who may read it.

Called by `cli/doctor.py`, by a backup, and by whatever starts a run or the UI. Dagster
opens that database itself; the project's own is in `database.py`. Page:
docs/postgresql.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from d118_pipelines.errors import ConfigurationError, ConnectionLostError
from d118_pipelines.kernel.processes import dagster_home
from d118_pipelines.state.engines import normalised, shown

# What a URL is called that is written into the file.
WRITTEN = "postgres_url"

FOLDER = ".dagster"
"""In the project: history, logs and artifacts, as dagster.yaml says."""


def keep_history_private(root: Path) -> None:
    """Make the folder of the history readable by its owner alone, before Dagster does.

    One that belongs to somebody else is left alone; `d118 doctor` speaks of it.
    """
    folder = root / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)


def run_history_place(root: Path) -> str:
    """The folder, or the server and database, of Dagster's storage; it is reached.

    Raises: ConfigurationError if DAGSTER_HOME has no dagster.yaml or its variable is
    not set; ConnectionLostError if the server does not answer. Neither quotes a
    password.
    """
    found = run_history_url(root)
    if found is not None:
        return _reached(*found)
    folder = (_storage(root).get("sqlite") or {}).get("base_dir")
    return str(root / folder) if folder else f"as {_settings_file(root)} says"


def run_history_url(root: Path) -> tuple[str, str] | None:
    """The URL of Dagster's storage and its variable; None where it is no server.

    Raises: ConfigurationError as `run_history_place`.
    """
    url = (_storage(root).get("postgres") or {}).get("postgres_url")
    if url is None:
        return None
    if not isinstance(url, dict):
        return str(url), WRITTEN
    variable = url.get("env", "")
    text = os.environ.get(variable, "")
    if not text:
        raise ConfigurationError(
            f"The environment variable {variable} is not set.",
            where=str(_settings_file(root)),
            rule="Dagster's run history is in that database.",
            next_step=f"Set {variable} in .env, or remove DAGSTER_HOME.",
        )
    return text, variable


def _storage(root: Path) -> dict[str, Any]:
    path = _settings_file(root)
    if not path.is_file():
        raise ConfigurationError(
            f"There is no {path}.",
            rule="DAGSTER_HOME is the full path of a folder with a dagster.yaml.",
            next_step="Correct DAGSTER_HOME, or remove it: docs/postgresql.md.",
        )
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return settings.get("storage") or {}


def _settings_file(root: Path) -> Path:
    return dagster_home(root) / "dagster.yaml"


def queue_limit(root: Path) -> int | None:
    """How many runs Dagster's queue starts at a time; None where dagster.yaml is silent."""
    path = _settings_file(root)
    if not path.is_file():
        return None
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    runs = (settings.get("concurrency") or {}).get("runs") or {}
    found = runs.get("max_concurrent_runs")
    return found if isinstance(found, int) else None


def _reached(text: str, variable: str) -> str:
    place = shown(text, variable)
    engine = sa.create_engine(
        normalised(text, variable),
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": 10},
    )
    try:
        engine.connect().close()
    except sa.exc.OperationalError:
        # The driver's text can quote the user of the URL.
        raise ConnectionLostError(
            "Dagster's run history cannot be reached.",
            where=place,
            not_done="No run can start.",
            next_step="Check that the server runs and lets this account in.",
        ) from None
    return place
