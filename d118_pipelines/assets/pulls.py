"""Raw extracts: one asset per collection of a provider, or per query of PowerSchool.

Wired in `definitions.py`; the pull itself is in `workflows/sync.py`, an extract of one query
in `workflows/powerschool_source.py`.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.progress import now_and_then
from d118_pipelines.config.providers import Provider
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines.sources.pull import Collection, Progress, Pull
from d118_pipelines.workflows.powerschool_source import SYSTEM, extract
from d118_pipelines.workflows.provider_sources import host_pool
from d118_pipelines.workflows.run import Run
from d118_pipelines.workflows.sync import pull_provider

MEANING = {
    "proven": "absence counts at once",
    "ended": "absence counts after two pulls",
    "never": "absence means nothing",
}
_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=dt.timedelta(hours=48), warn_window=dt.timedelta(hours=26)
)


def pull_assets(provider: Provider, names: Sequence[str]) -> dg.AssetsDefinition:
    """The assets `raw/<provider>/<collection>`, made together: a pull is whole or nothing.

    names: of its collections, in the order in which they are read.
    """
    specs = [
        dg.AssetSpec(
            ["raw", provider.id, name],
            group_name=provider.id,
            kinds={provider.model.type.lower().split("_")[0], "parquet"},
            owners=["team:data"],
            code_version=provider.fingerprint[:12],
            description=f"{name} as {provider.model.name} sent them; kept for debugging "
            "until retention removes them.",
        )
        for name in names
    ]

    @dg.multi_asset(name=f"raw__{provider.id}", specs=specs, pool=host_pool(provider))
    def pull(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        with reported():
            made = pull_provider(run, provider, progress(context.log))
        _say(context.log, made)
        for name in names:
            yield dg.MaterializeResult(
                asset_key=["raw", provider.id, name], metadata=_metadata(made, name)
            )

    return pull


def roster_query_assets(
    provider: Provider, queries: Sequence[Query]
) -> dg.AssetsDefinition:
    """The assets `raw/<provider>/<query>` of a roster from PowerSchool.

    Selected together they are one pull, of one moment, that can be staged. A part of them
    is not: each is then an extract of one query, for a target or for a look.
    """
    specs = {query.name: _query_spec(provider.id, query) for query in queries}

    @dg.multi_asset(
        name=f"raw__{provider.id}",
        specs=list(specs.values()),
        pool=host_pool(provider),
        can_subset=True,
    )
    def pull(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        chosen = [
            q for q in queries if specs[q.name].key in context.selected_asset_keys
        ]
        if len(chosen) < len(queries):
            for query in chosen:
                yield _extracted(context, run, provider.id, query)
            return
        with reported():
            made = pull_provider(run, provider, progress(context.log))
        _say(context.log, made)
        for query in queries:
            yield _query_result(specs[query.name].key, made, query)

    return pull


def query_asset(query: Query) -> dg.AssetsDefinition:
    """The asset `raw/powerschool/<query>` of a query that no roster reads."""

    @dg.multi_asset(
        name=f"raw__{SYSTEM}__{query.name}",
        specs=[_query_spec(SYSTEM, query)],
        pool="sis_oracle",
    )
    def pull(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        return _extracted(context, run, SYSTEM, query)

    return pull


def _query_spec(system: str, query: Query) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["raw", system, query.name],
        group_name=system,
        kinds={"oracle", "parquet"},
        owners=["team:data"],
        code_version=query.fingerprint[:12],
        description=_first_comment(query.sql),
        freshness_policy=_FRESHNESS,
    )


def _extracted(
    context: dg.AssetExecutionContext, run: Run, system: str, query: Query
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One query pulled by itself."""
    with reported():
        if target := context.run.tags.get("sis/target"):
            run.hold(target)
        made = extract(
            run.project,
            query,
            run_id=run.run_id,
            on_progress=progress(context.log),
        )
    _say(context.log, made)
    return _query_result(dg.AssetKey(["raw", system, query.name]), made, query)


def _say(log: dg.DagsterLogManager, made: Pull) -> None:
    """How much was pulled, and what a person should know of it."""
    name = next(iter(made.collections)) if len(made.collections) == 1 else made.provider
    rows = sum(collection.rows for collection in made.collections.values())
    log.info(f"{name}: {rows:,} rows in {made.seconds:.1f} s")
    for warning in made.warnings:
        log.warning(warning)


def progress(log: dg.DagsterLogManager) -> Progress:
    """Log rows, pages and rate of a collection, every two seconds at most."""
    say: Callable[[str], None] = now_and_then(log.info)

    def report(name: str, rows: int, pages: int, seconds: float) -> None:
        in_pages = f" in {pages:,} pages" if pages else ""
        rate = rows / max(seconds, 0.001)
        say(f"{name}: {rows:,} rows{in_pages}, {rate:,.0f} rows a second")

    return report


def _query_result(key: dg.AssetKey, made: Pull, query: Query) -> dg.MaterializeResult:  # type: ignore[type-arg]
    import pyarrow.parquet as pq  # heavy: only while a run writes it

    schema = pq.read_schema(made.rows_file(query.name))
    columns = [dg.TableColumn(field.name, str(field.type)) for field in schema]
    more: dict[str, dg.MetadataValue] = {
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
        "query_fingerprint": dg.MetadataValue.text(query.fingerprint),
        "attempts": dg.MetadataValue.int(int(made.details["attempts"])),
        "warnings": dg.MetadataValue.int(len(made.warnings)),
    }
    metadata = {**_metadata(made, query.name), **more}
    return dg.MaterializeResult(asset_key=key, metadata=metadata)


def _metadata(pull: Pull, name: str) -> Mapping[str, dg.MetadataValue]:
    value = dg.MetadataValue
    # A set of files need not hold every collection.
    collection = pull.collections.get(name) or Collection(name)
    known = {
        "source_total": value.int(collection.source_total)
        if collection.source_total is not None
        else None,
        **{name: value.text(text) for name, text in pull.details.items()},
    }
    return {
        "dagster/row_count": value.int(collection.rows),
        "pages": value.int(collection.pages),
        "size_bytes": value.int(collection.size_bytes),
        "extract_seconds": value.float(collection.seconds),
        "completeness": value.text(MEANING[collection.absence]),
        "delta": value.bool(collection.is_delta),
        **{name: shown for name, shown in known.items() if shown is not None},
    }


def _first_comment(sql: str) -> str:
    """The comment lines at the head of a query file, as one paragraph."""
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)
