"""Staging: raw collections to typed, checked frames of the roster model.

Called by `workflows/providers/sync.py`. Set work alone: per entity one statement reads
and judges the rows (`row_rules.py`), a few more look at keys, roles and references
(`key_rules.py`, `role_rules.py`, `reference_rules.py`), one writes the frame
(`final_rows.py`). The folder is in `staged.py`. Rule: docs/reference/staging.md.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.absence import Absence
from d118_pipelines.kernel.finding import refusal
from d118_pipelines.kernel.frames import count_of, write_parquet
from d118_pipelines.kernel.run_folders import new_run_folder, write_manifest
from d118_pipelines.kernel.sql_text import identifier, literal, statement
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.model.mapping import Endpoint, MappingFile
from d118_pipelines.roster.staging.compile import RECORD, Relation
from d118_pipelines.roster.staging.field_rules import EndpointRows
from d118_pipelines.roster.staging.final_rows import final_select
from d118_pipelines.roster.staging.findings import (
    REJECTED_COLUMNS,
    create_tables,
    leave_out,
)
from d118_pipelines.roster.staging.key_rules import (
    judge_keys,
    merge_people,
    point_at_merged,
)
from d118_pipelines.roster.staging.raw_relations import (
    RawCollection,
    attach_raw,
    empty_targets,
    endpoint_relation,
)
from d118_pipelines.roster.staging.reference_rules import (
    References,
    judge_enrollment_sets,
    judge_people,
    keep_keys,
)
from d118_pipelines.roster.staging.role_rules import add_words, judge_roles
from d118_pipelines.roster.staging.row_rules import RowCompiler
from d118_pipelines.roster.staging.staged import (
    FINDINGS_FILE,
    REFUSED_FILE,
    REJECTED_FILE,
    SHAPE_FILE,
    EntityCounts,
    Staged,
)
from d118_pipelines.roster.staging.tally import RejectCap, Tally

if TYPE_CHECKING:
    import duckdb

BUNDLE_CAP = RejectCap()
PLAIN_CSV_CAP = RejectCap(ratio=0.01, minimum=101, holds=True)
# Entities that are looked up although no field of the model refers to them.
_MORE_TARGETS = {"enrollments": {"terms"}, "users": {"orgs"}, "demographics": {"users"}}
# In a smaller file a look for what is empty costs less than the rules of it.
SMALL_FILE = 2**20
NONE = (0, 0, 0)
_STRENGTH: list[Absence] = ["never", "ended", "proven"]


@dataclass(frozen=True, slots=True)
class StagingOptions:
    """What a provider's entry says about staging.

    entities: those wanted. parameters: values of `$name` in queries; `$district_id`,
    `$provider_id` and `$date_order` are there without being given. role_map: words that
    are added to the mapping's. date_order: `mdy` or `dmy` for dates with slashes.
    merge_same_person: rows that are one person become one, with the roles of all.
    """

    district_id: str
    provider_id: str
    entities: frozenset[str] = frozenset(ENTITIES)
    date_order: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    role_map: Mapping[str, str] = field(default_factory=dict)
    reject_cap: RejectCap = BUNDLE_CAP
    is_demonstration: bool = False
    merge_same_person: bool = False


def stage(
    duck: duckdb.DuckDBPyConnection,
    *,
    raw: Mapping[str, RawCollection],
    mapping: MappingFile,
    options: StagingOptions,
    parent: Path,
    run_id: str,
    now: dt.datetime,
    pull_findings: Path | None = None,
    known: Collection[str] = (),
    kept: Collection[str] = (),
    content: str = "",
) -> Staged:
    """Stage one pull into `parent/<time>-<run>/`: all of it, or an error.

    duck: a session of `frames.open_frames`. pull_findings: the findings file of the
    pull, if it has one. known: entities with a table `known.<entity>(external_id)` in
    the session: records of the roster that references of delta rows may point at. kept:
    `classes`, `users` where `kept.<entity>` has what the roster has of fields that
    other entities did not send. content: what the manifest says of all that it was made
    of. Raises: ConfigurationError for a query that cannot run; IncompleteExtractError
    (`bundle.too_many_rejects`); the findings are then in `parent/refused.parquet`.
    """
    [home] = duck.execute("SELECT current_database()").fetchall()[0]
    duck.execute("ATTACH ':memory:' AS staging; USE staging")
    duck.execute("SET preserve_insertion_order = false")
    # They make joins of each list of words and look for twins in thousands of
    # expressions: half of the time of a small roster, and no gain for a large one.
    duck.execute("SET disabled_optimizers = 'in_clause,common_subexpressions'")
    try:
        with new_run_folder(parent, run_id=run_id, now=now) as folder:
            run = _Run(duck, raw, mapping, options, folder.path, home)
            run.known = set(known) & set(ENTITIES)
            run.kept = {entity: f"{home}.kept.{entity}" for entity in kept}
            run.read(pull_findings)
            run.judge()
            entities = run.write()
            refused = parent / REFUSED_FILE
            try:
                held = run.tally.judge(options.reject_cap, entities)
            except IncompleteExtractError as exc:
                run.tally.add(refusal(exc))
                write_parquet(duck, "FROM findings", refused)
                raise
            refused.unlink(missing_ok=True)
            shutil.rmtree(run.work)
            staged = Staged(
                folder=folder.final,
                provider=options.provider_id,
                district=options.district_id,
                run_id=run_id,
                made_at=now,
                mapping_fingerprint=mapping.fingerprint,
                is_demonstration=options.is_demonstration,
                raw={name: one.path for name, one in raw.items()},
                entities=entities,
                held_reason=held,
                findings=run.tally.findings(),
                content=content,
            )
            write_manifest(folder.path, asdict(staged))
    finally:
        duck.execute(f"USE {home}; DETACH staging")
        duck.execute("RESET preserve_insertion_order; RESET disabled_optimizers")
    return staged


class _Run:
    """One staging in its own attached database; see the functions for each step."""

    def __init__(
        self,
        duck: duckdb.DuckDBPyConnection,
        raw: Mapping[str, RawCollection],
        mapping: MappingFile,
        options: StagingOptions,
        folder: Path,
        home: str,
    ) -> None:
        self.duck, self.raw, self.mapping = duck, raw, mapping
        self.options, self.folder, self.home = options, folder, home
        self.work = folder / "work"
        self.work.mkdir(mode=0o700)
        self.endpoints: dict[str, list[Endpoint]] = {}
        for name in ENTITIES:
            there = [e for e in mapping.of_entity(name) if e.collection in raw]
            if there and name in options.entities:
                self.endpoints[name] = there
        self.known: set[str] = set()
        self.kept: dict[str, str] = {}
        self.role_map = {**mapping.model.role_map, **options.role_map}
        self.references: dict[str, References] = {}
        self._columns: dict[str, list[str]] = {}
        self._empty: dict[str, set[str]] = {}

    def read(self, pull_findings: Path | None) -> None:
        """Make the raw relations and add the findings of the pull."""
        for schema in ("work", "out", "ok", "shaped"):
            self.duck.execute(f"CREATE SCHEMA {schema}")
        create_tables(self.duck)
        self.tally = Tally(self.duck)
        attach_raw(self.duck, self.raw.values())
        for entity in self.known - set(self.endpoints):
            known = f"{self.home}.known.{entity}"
            keep_keys(self.duck, entity, known=known, is_staged=False)
        if pull_findings is not None and pull_findings.is_file():
            of_file = {
                e.collection: e.entity for ends in self.endpoints.values() for e in ends
            }
            self.tally.take_over(pull_findings, of_file)

    def judge(self) -> None:
        """Every entity in the order in which records refer to each other."""
        for entity in self.endpoints:
            self._judge_rows(entity)
            if self._merges_people and entity in ("enrollments", "demographics"):
                point_at_merged(self.duck, entity)
            if count_of(self.duck, statement("roster/staging.repeats", entity=entity)):
                judge_keys(self.duck, entity, self._columns[entity])
            if entity == "users" and self._merges_people:
                merge_people(self.duck, self._columns[entity])
            if entity == "users":
                judge_roles(
                    self.duck,
                    role_map=self.role_map,
                    date_order=self.options.date_order,
                    has_orgs="orgs" in self.targets("users"),
                    mapping=shown_path(self.mapping.path),
                )
            if entity == "enrollments":
                rows = "work.enrollments WHERE role IS NULL"
                mapping = shown_path(self.mapping.path)
                add_words(self.duck, entity, rows, "w_role", mapping)
            self._judge_references(entity)
            if entity == "users":
                judge_people(self.duck)
        if "enrollments" in self.endpoints:
            judge_enrollment_sets(self.duck)

    def write(self) -> dict[str, EntityCounts]:
        """Write every frame, the rejected rows and the findings."""
        staged = {}
        for entity in self.endpoints:
            path = self.folder / f"{entity}.parquet"
            select = final_select(
                entity,
                self.references[entity],
                frozenset(self.endpoints),
                self.kept,
            )
            staged[entity] = write_parquet(self.duck, select, path)
        write_parquet(self.duck, "FROM rejected", self.folder / REJECTED_FILE)
        write_parquet(self.duck, "FROM findings", self.folder / FINDINGS_FILE)
        write_parquet(self.duck, _shape(), self.folder / SHAPE_FILE)
        sent = self.tally.counts()
        return {
            n: self._count(n, rows, sent.get(n, NONE)) for n, rows in staged.items()
        }

    def _has_delta(self, *entities: str) -> bool:
        """Whether only changes were sent of one of the entities."""
        return any(
            self.raw[endpoint.collection].is_delta
            for entity in entities
            for endpoint in self.endpoints[entity]
        )

    @property
    def _merges_people(self) -> bool:
        return self.options.merge_same_person and "users" in self.endpoints

    def targets(self, entity: str) -> set[str]:
        """The entities in which references of this one are looked up."""
        wanted = {f.refers_to for f in ENTITIES[entity].fields if f.refers_to}
        wanted |= _MORE_TARGETS.get(entity, set())
        return wanted & (self.known | set(self.endpoints))

    # Steps

    def _judge_rows(self, entity: str) -> None:
        compiler = RowCompiler(entity)
        for endpoint in self.endpoints[entity]:
            compiler.add(self._endpoint_rows(endpoint))
        self._empty[entity] = compiler.empty
        path = self.work / f"{entity}.parquet"
        write_parquet(self.duck, compiler.sql(), path, "snappy")
        self.duck.execute(
            f"CREATE VIEW work.{entity} AS SELECT * EXCLUDE (file_row_number), "
            "file_row_number AS n "
            f"FROM read_parquet({literal(path)}, file_row_number = true)"
        )
        self._columns[entity] = compiler.value_columns
        self.duck.execute(f"CREATE TABLE out.{entity} (n BIGINT, code VARCHAR)")
        leave_out(self.duck, entity, f"work.{entity}", compiler.rules)
        self.tally.add_fetched(entity)

    def _endpoint_rows(self, endpoint: Endpoint) -> EndpointRows:
        relation = endpoint_relation(self.duck, endpoint, self._parameters())
        raw = self.duck.table(f"raw.{identifier(endpoint.collection)}")
        shaped = self.duck.table(relation)
        columns = Relation(dict(zip(shaped.columns, shaped.types, strict=True)))
        empty: frozenset[str] = frozenset()
        if self.raw[endpoint.collection].file.stat().st_size < SMALL_FILE:
            empty = empty_targets(self.duck, relation, columns, endpoint.fields)
        return EndpointRows(
            endpoint=endpoint,
            relation=relation,
            columns=columns,
            empty=empty,
            role_map=self.role_map,
            date_order=self.options.date_order,
            is_api=RECORD in raw.columns,
        )

    def _parameters(self) -> dict[str, Any]:
        return {
            "district_id": self.options.district_id,
            "provider_id": self.options.provider_id,
            "date_order": self.options.date_order,
            **self.options.parameters,
        }

    def _judge_references(self, entity: str) -> None:
        points_at_itself = any(f.refers_to == entity for f in ENTITIES[entity].fields)
        if points_at_itself:
            self._keep(entity)
        self.references[entity] = References(
            self.duck,
            entity,
            self.targets(entity),
            empty=self._empty[entity],
            fills_school=any(
                "school_external_id" in e.fields for e in self.endpoints[entity]
            ),
            required={
                name
                for endpoint in self.endpoints[entity]
                for name, source in endpoint.fields.items()
                if source.required
            },
        )
        self.references[entity].judge()
        if not points_at_itself:
            self._keep(entity)
        if count_of(self.duck, f"out.{entity} WHERE code IS NOT NULL"):
            self.tally.add_rejected(entity)

    def _keep(self, entity: str) -> None:
        if entity in ("enrollments", "demographics"):
            return
        known = None
        if entity in self.known and self._has_delta(*self.endpoints):
            known = f"{self.home}.known.{entity}"
        keep_keys(self.duck, entity, known=known, is_staged=True)

    def _count(
        self, entity: str, staged: int, sent: tuple[int, int, int]
    ) -> EntityCounts:
        fetched, rejected, unreadable = sent
        collections = [self.raw[e.collection] for e in self.endpoints[entity]]
        absence = min((c.absence for c in collections), key=_STRENGTH.index)
        return EntityCounts(
            fetched=fetched,
            staged=staged,
            rejected=rejected,
            duplicates=fetched - staged - rejected,
            unreadable_keys=unreadable,
            # Rejected rows alone say nothing about those that are not there.
            absence=absence if staged or not rejected else "never",
            is_delta=self._has_delta(entity),
        )


def _shape() -> str:
    """No rows, but every column that the views of sql/staging/views.sql may read."""
    columns = dict(REJECTED_COLUMNS)
    for entity in ENTITIES.values():
        columns |= entity.staged_columns()
    columns |= dict.fromkeys(["row_hash", "action", "rule"], "VARCHAR")
    casts = ", ".join(f"CAST(NULL AS {kind}) AS {n}" for n, kind in columns.items())
    return f"SELECT {casts} WHERE false"
