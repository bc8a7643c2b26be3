"""Puts what stands at the repository's top level into the wheel; the rest: pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("config", "mappings", "sql", "deploy")
FILES = (".env.example", "dagster.yaml", "workspace.yaml")


class BuildWithFolders(build_py):
    """The package with `shipped/`; an editable install reads the repository itself."""

    def run(self) -> None:
        """Build the package, then put the folders into it."""
        super().run()
        if self.editable_mode:
            return
        here = Path(__file__).parent
        place = Path(self.build_lib) / "d118_pipelines" / "shipped"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name in FOLDERS:
            shutil.copytree(here / name, place / name)
        for name in FILES:
            shutil.copy2(here / name, place / name)


setup(cmdclass={"build_py": BuildWithFolders})
