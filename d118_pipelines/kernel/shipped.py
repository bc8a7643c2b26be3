"""The files that the package ships beside its code, and which file of two counts.

Called by every room that reads `mappings/`, `sql/` or a setting of Dagster. A
district's folder holds only what is its own or changed; everything else is read here,
so that an upgrade reaches it. Rule: docs/reference/district_folder.md.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

IN_WHEEL = (_PACKAGE / "shipped").is_dir()
"""Whether the package was installed from a wheel; else it lies in its repository."""

SHIPPED = _PACKAGE / "shipped" if IN_WHEEL else _PACKAGE.parent
"""The folder with the shipped `config/`, `mappings/`, `sql/` and so on (setup.py)."""


def file_of(root: Path, name: str) -> Path:
    """The folder's file of that name, else the shipped one.

    name: relative to the folder, as `mappings/powerschool.yaml`.
    """
    return either(root / name, name)


def either(own: Path, name: str) -> Path:
    """A file of the district's if it is there, else the shipped one of that name.

    Where neither is, the district's: errors then name the place that a person can fill.
    """
    shipped = SHIPPED / name
    return shipped if shipped.exists() and not own.exists() else own


def files_of(root: Path, folder: str, pattern: str) -> list[Path]:
    """The files of a folder by name, the district's own before shipped ones."""
    places = (SHIPPED / folder, root / folder)
    paths = {path.name: path for place in places for path in place.glob(pattern)}
    return [paths[name] for name in sorted(paths)]
