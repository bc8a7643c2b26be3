"""Staged rosters: one asset per entity of a provider, made together from one pull.

Wired in `definitions.py` between `pulls.py` and `roster.py`; the staging is in
`workflows/providers/sync.py`.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.markdown import markdown_table
from d118_pipelines.config.providers import Provider
from d118_pipelines.roster.model.entities import ENTITIES, Field
from d118_pipelines.roster.model.mapping import MappingFile
from d118_pipelines.roster.staging.staged import EntityCounts, Staged
from d118_pipelines.workflows.providers.provider_sources import wanted_entities
from d118_pipelines.workflows.providers.sync import stage_provider
from d118_pipelines.workflows.runs.run import Run


def staged_entities(provider: Provider, mapping: MappingFile) -> list[str]:
    """The entities of the provider's mapping whose switches are on."""
    made = {e.entity for e in mapping.endpoints}
    wanted = wanted_entities(provider)
    return [entity for entity in ENTITIES if entity in made and entity in wanted]


def staged_assets(
    provider: Provider,
    collections: Sequence[str],
    entities: Sequence[str],
    mapping: MappingFile,
    freshness: dg.FreshnessPolicy | None = None,
) -> dg.AssetsDefinition:
    """The assets `staged/<provider>/<entity>`, made together from the whole pull.

    The lineage says where an entity's rows come from; rules between entities are left
    out of it, else everything would come from everything.
    """
    origins = collections_by_entity(collections, entities, mapping)
    specs = [
        dg.AssetSpec(
            ["staged", provider.id, entity],
            deps=[dg.AssetKey(["raw", provider.id, name]) for name in origins[entity]],
            group_name=f"{provider.id}_staged",
            kinds={"duckdb", "parquet"},
            owners=["team:data"],
            code_version=mapping.fingerprint[:12],
            description=f"{entity} in the roster model: typed, validated, mapped by "
            f"{provider.model.mapping_file}. Rows that break a rule are set aside.",
            freshness_policy=freshness,
            skippable=True,  # out of term nothing is staged
        )
        for entity in entities
    ]

    @dg.multi_asset(name=f"staged__{provider.id}", specs=specs)
    def staged(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        with reported():
            made = stage_provider(run, provider)
        if made is None:
            context.log.warning(
                f"{provider.id}: no school is in term: there is nothing to do. Nothing was "
                "staged; the roster is unchanged."
            )
            return
        context.log.info(
            f"{provider.id}: "
            + ", ".join(f"{n} {e.staged:,}" for n, e in made.entities.items())
            + f"; {sum(e.rejected for e in made.entities.values()):,} rows set aside"
        )
        if made.repeats:
            context.log.info(
                f"{provider.id}: the content is that of run {made.repeats[:8]}, which "
                "changed nothing: its rows and findings were taken over."
            )
        for name in entities:
            yield dg.MaterializeResult(
                asset_key=["staged", provider.id, name],
                metadata=_metadata(made, name, is_first=name == entities[0]),
            )

    return staged


def collections_by_entity(
    collections: Sequence[str], entities: Sequence[str], mapping: MappingFile
) -> dict[str, list[str]]:
    """The raw collections whose rows become an entity's; the first has the others too.

    So none is left out of a sync, which pulls all or nothing.
    """
    origins = {
        entity: [
            name
            for name in collections
            if name in {endpoint.collection for endpoint in mapping.of_entity(entity)}
        ]
        for entity in entities
    }
    used = {name for names in origins.values() for name in names}
    for first in entities[:1]:
        origins[first] += [name for name in collections if name not in used]
    return origins


def _described(field: Field) -> str:
    refers = f"refers to {field.refers_to}" if field.refers_to else ""
    return ", ".join(filter(None, ["required" if field.required else "", refers]))


def _metadata(
    made: Staged, name: str, *, is_first: bool
) -> dict[str, dg.MetadataValue]:
    value = dg.MetadataValue
    # A set of files need not hold every entity.
    entity = made.entities.get(name) or EntityCounts(0, 0, 0, 0, 0, "never", False)
    described = {field.name: _described(field) for field in ENTITIES[name].fields}
    columns = [
        dg.TableColumn(column, kind.lower(), described.get(column))
        for column, kind in ENTITIES[name].staged_columns().items()
    ]
    counted = [(f"{n:,}", code) for code, n in sorted(made.findings.items())]
    whole = {
        "findings_by_code": value.md(markdown_table(["records", "code"], counted)),
        "mapping": value.text(made.mapping_fingerprint),
    }
    return {
        "dagster/row_count": value.int(entity.staged),
        "dagster/column_schema": value.table_schema(dg.TableSchema(columns)),
        "fetched": value.int(entity.fetched),
        "set_aside": value.int(entity.rejected),
        "part_of_this_pull": value.bool(name in made.entities),
        **(whole if is_first else {}),
    }
