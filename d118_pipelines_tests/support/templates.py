"""The newest schema as a file that state databases begin as; called by the projects.

PostgreSQL has the same in `postgres.py`.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from d118_pipelines.state.database import Database


def new_state(file: Path) -> None:
    """Put an empty state database in place, without running migrations."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(_template(), file)
    file.chmod(0o600)


@functools.cache
def _template() -> Path:
    """The file that is copied; nothing is open, so that it holds everything."""
    folder = Path(tempfile.mkdtemp(prefix="d118-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Database(folder / "d118.sqlite", "").path
