"""`.env`: read when a command, a run or a sensor starts; the real environment wins.

Called by `cli/app.py`, `read.py`, `service/services.py`, `definitions.py` and
`sensors.py`. Rules: docs/run_as_a_service.md, the environment;
docs/reference/district_folder.md, several districts.
"""

from __future__ import annotations

import os
from pathlib import Path

from d118_pipelines.config.project import is_district_folder
from d118_pipelines.config.secret_files import refuse_open_file
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import ConfigurationError, NoFolderError

# Names that the launcher took from the file, separated by commas; its children inherit it.
FROM_FILE = "D118_FROM_ENV_FILE"
# Folders and ports that a running process keeps until it is started again.
AT_START = {"D118_HOME", "DAGSTER_HOME", "D118_UI_PORT", "D118_UI_HOSTS"}
AT_START |= {"D118_UI_PROXY"}
AT_START |= {"SECRET_KEY", "API_HOST", "API_PORT"}


# What `d118 --project` leaves of the environment: the machine's, none of a district's.
_OF_THE_MACHINE = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "COLORTERM",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
]
_PREFIXES = ("LC_", "PYTHON")


def enter_folder(folder: Path) -> None:
    """Go to a district's folder and forget every variable that is not the machine's.

    Raises: NoFolderError if the folder is no district's.
    """
    if not is_district_folder(folder):
        raise NoFolderError(
            f"{folder} is no district's folder.",
            rule="One has config/district.yaml.",
            not_done="Nothing was started.",
            next_step=f"Correct the name, or make it: d118 init {folder}",
        )
    os.chdir(folder)
    for name in list(os.environ):
        if name not in _OF_THE_MACHINE and not name.startswith(_PREFIXES):
            del os.environ[name]


def read_env_file(root: Path) -> list[str]:
    """Set what the file names and the environment does not; returns the names.

    Raises: ConfigurationError if the file is no text, or others can read it.
    """
    wanted = {k: v for k, v in _values(root).items() if k not in os.environ}
    os.environ.update(wanted)
    return list(wanted)


def follow_env_file(root: Path) -> None:
    """The same in a launcher, whose children then call `renew_env_file`."""
    os.environ[FROM_FILE] = ",".join(read_env_file(root))


def renew_env_file(root: Path) -> None:
    """In a child of a launcher: take over what has changed in the file, also removals.

    Elsewhere nothing happens. Raises: ConfigurationError if the file is no text.
    """
    if FROM_FILE not in os.environ:
        return
    before = set(filter(None, os.environ[FROM_FILE].split(",")))
    values = {
        name: value
        for name, value in _values(root).items()
        if name in before or name not in os.environ
    }
    now = {name for name in values if name in before or name not in AT_START}
    # One by one and only what differs: other threads read the environment meanwhile.
    for name in now - AT_START:
        if os.environ.get(name) != values[name]:
            os.environ[name] = values[name]
    for name in before - now - AT_START:
        os.environ.pop(name, None)
    os.environ[FROM_FILE] = ",".join(sorted(now | (before & AT_START)))


def _values(root: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    path = root / ".env"
    if path.is_file():
        refuse_open_file(path)
    try:
        found = dotenv_values(path)
        if any("\0" in f"{name}{value}" for name, value in found.items()):
            raise UnicodeError  # the environment keeps no NUL
    except (UnicodeError, OSError):
        raise ConfigurationError(
            f"{shown_path(path)} cannot be read as text in UTF-8.",
            not_done="Nothing was started.",
        ) from None
    return {name: value for name, value in found.items() if value is not None}
