"""The golden rosters: a project of their own, its syncs, and results as plain values.

Belongs here: running pull, stage, plan and apply, and reading results into the form of
the expected files. Not here: the expected files (`expected.py`), the tests.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import load_providers
from d118_pipelines.roster.model.entities import COMMON_COLUMNS, ENTITIES
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.providers.sync import (
    apply_provider,
    plan_provider,
    pull_provider,
    stage_provider,
)
from d118_pipelines.workflows.runs.run import Run

REPOSITORY = Path(__file__).parents[3]
PROVIDER = "golden"
Record = dict[str, Any]
Roster = dict[str, dict[str, Record]]  # entity -> key -> fields that are not null
LISTS = ("user_roles", "user_agents", "class_terms")
_ROLE_PARTS = ("school_external_id", "role", "source_role", "begin_date", "end_date")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")


@dataclass(frozen=True)
class Day:
    """What one sync staged and planned, and the roster that it left behind."""

    staged: Path
    plan: Path
    changes: int
    verdict: str
    roster: Roster
    ids: dict[tuple[str, str], str]  # (entity, external id) -> internal id


class Chain:
    """A project folder with one provider, and a home of its own."""

    def __init__(self, folder: Path, kind: str, config: Mapping[str, Any]) -> None:
        self.root, self.home = folder / "project", folder / "home"
        for part in ("config", "mappings", "sql"):
            shutil.copytree(REPOSITORY / part, self.root / part)
        entry = {"id": PROVIDER, "type": kind, "name": "Golden", "config": dict(config)}
        (self.root / "config/providers.yaml").write_text(
            yaml.safe_dump({"providers": [entry]}), encoding="utf-8"
        )
        self.project = Project(self.root, self.home)

    def sync(self) -> Day:
        """Pull, stage, plan, apply."""
        [provider] = load_providers(self.root)[0]
        run = Run(self.project, uuid.uuid4().hex, Actor("golden"))
        with run.leases:
            pull_provider(run, provider, lambda *_: None)
            stage_provider(run, provider)
            plan = plan_provider(run, provider).plan
            apply_provider(run, provider)
        [staged] = (self.home / "staged" / PROVIDER).glob(f"*-{run.run_id[:8]}")
        tables = self.tables()
        ids = {
            (name, row["external_id"]): str(row["id"])
            for name in ENTITIES
            for row in tables[name]
        }
        roster = roster_of(tables)
        return Day(staged, plan.folder, plan.changes, plan.verdict, roster, ids)

    def tables(self) -> dict[str, list[Record]]:
        """Every row of the roster tables, as it is stored."""
        import sqlalchemy as sa

        with state_database(self.project).reading() as connection:
            return {
                name: sorted(
                    (
                        dict(row)
                        for row in connection.execute(
                            sa.text(f"SELECT * FROM {name}")
                        ).mappings()
                    ),
                    key=str,
                )
                for name in (*ENTITIES, *LISTS)
            }


def parquet(path: Path) -> list[Record]:
    """The rows of a Parquet file."""
    import pyarrow.parquet as pq

    rows: list[Record] = pq.read_table(path).to_pylist()
    return rows


def staged_roster(folder: Path) -> Roster:
    """The staged frames; null values and the place of origin are left out."""
    return {
        name: {
            row["external_id"]: _plain(
                {**{f.name: row[f.name] for f in entity.fields}, **_life(row)}
            )
            for row in parquet(folder / f"{name}.parquet")
        }
        for name, entity in ENTITIES.items()
        if (folder / f"{name}.parquet").exists()
    }


def roster_of(tables: Mapping[str, list[Record]]) -> Roster:
    """The roster tables in the same form, internal ids read back as external ones."""
    keys = {
        str(row["id"]): row["external_id"] for name in ENTITIES for row in tables[name]
    }
    return {
        name: {row["external_id"]: _from_table(name, row, keys) for row in tables[name]}
        for name in ENTITIES
    }


def plan_rows(folder: Path) -> list[Record]:
    """entity, external_id, action, reason and the names of the changed columns."""
    return [
        {**row, "entity": name, "fields": " ".join(sorted(row["fields"] or []))}
        for name in ENTITIES
        if (folder / f"{name}.parquet").exists()
        for row in parquet(folder / f"{name}.parquet")
    ]


def _life(row: Mapping[str, Any]) -> Record:
    return {name: row.get(name) for name in list(COMMON_COLUMNS)[1:4]}


def _from_table(name: str, row: Mapping[str, Any], keys: Mapping[str, str]) -> Record:
    found: Record = {}
    for field in ENTITIES[name].fields:
        value = row[field.column]
        if value is not None and (field.refers_to or field.name == "roles"):
            named = _UUID.sub(lambda m: keys.get(m[0], "nowhere"), str(value))
            value = named.replace('"school_id"', '"school_external_id"')
        elif value is not None and field.kind == "boolean":
            value = bool(value)
        found[field.name] = value
    return _plain({**found, **_life(row)})


def _plain(row: Mapping[str, Any]) -> Record:
    """A record as the expected files write it."""
    found: Record = {}
    for name, value in row.items():
        if value is None or (name, value) == ("status", "active"):
            continue
        short = name.replace("_external_ids", "s").replace("_external_id", "")
        found[short] = _shown(short, value)
    return found


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, str) and value.startswith("["):
        value = json.loads(value)
    if name == "roles":
        return sorted(_role(role) for role in value)
    if name == "user_ids":
        return sorted(f"{one['type']}:{one['identifier']}" for one in value)
    if name in ("agents", "terms"):
        return sorted(value)
    return str(value) if hasattr(value, "year") else value


def _role(role: Mapping[str, Any]) -> str:
    words = [str(role[part]) for part in _ROLE_PARTS if role[part] is not None]
    kind = "primary" if role["is_primary"] else "secondary"
    return " ".join([*words[:3], kind, *words[3:]])
