"""`d118 targets add`: a ready target of the catalog, copied into the project.

Called by `cli/draft.py`. What is in the catalog, and how sure it is: docs/catalog.md.
Nothing of `mappings/catalog/` is loaded before it is copied.
"""

from __future__ import annotations

from pathlib import Path

from d118_pipelines.config.project import Project
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.shipped import SHIPPED
from d118_pipelines.targets.model import TargetModel
from d118_pipelines.targets.secret_columns import secret_variables

_YAML = "target.yaml"
_CATALOG = SHIPPED / "mappings/catalog"


def catalog() -> list[str]:
    """The names in the shipped catalog."""
    return sorted(path.parent.name for path in _CATALOG.glob(f"*/{_YAML}"))


def variables_of(model: TargetModel) -> list[str]:
    """What `.env` needs for the target: the destination's address and login, secrets."""
    named = model.destination.model_dump()
    logins = [value for key, value in named.items() if key.endswith("_env") and value]
    return [*logins, *secret_variables(model)]


def add_target(project: Project, name: str) -> list[Path]:
    """Copy a target of the catalog; returns the files that were written.

    Raises: ConfigurationError for a name that the catalog lacks, or that is taken.
    """
    known = catalog()
    if name not in known:
        raise ConfigurationError(
            f"The catalog has no target {name}.",
            rule=f"It has: {', '.join(known)}.",
            not_done="Nothing was written.",
        )
    targets, sql = (
        project.root / "mappings/targets",
        project.root / "sql/exports" / name,
    )
    if (targets / f"{name}.yaml").exists() or sql.exists():
        raise ConfigurationError(
            f"The target {name} is there already: {shown_path(targets / f'{name}.yaml')}.",
            not_done="Nothing was written.",
        )
    sql.mkdir(parents=True)
    targets.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted((_CATALOG / name).iterdir()):
        is_yaml = source.name == _YAML
        path = targets / f"{name}.yaml" if is_yaml else sql / source.name
        if is_yaml or source.suffix == ".sql":
            path.write_bytes(source.read_bytes())
            written.append(path)
    return written
