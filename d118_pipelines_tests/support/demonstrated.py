"""The demonstration district with everything made once, by `make demo`; see `conftest.py`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder

DEMO_LOG = "make_demo.txt"
"""In the project's folder: what `make demo` said."""


def demonstrate(root: Path) -> None:
    """A copy of what a person clones, with this environment's `.venv`, after `make demo`."""
    project = ProjectFolder(root)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy2(REPOSITORY / name, root / name)
    (root / ".venv").symlink_to(Path(sys.prefix))
    finished = subprocess.run(
        ["make", "-o", ".venv/ready", "demo"],
        cwd=root,
        env=project.variables({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    (root / DEMO_LOG).write_text(finished.stdout, encoding="utf-8")
