"""Raw extracts of providers other than PowerSchool: one pull, one asset per collection."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.progress import now_and_then
from d118_pipelines.config.providers import Provider
from d118_pipelines.sources.pull import Collection, Pull
from d118_pipelines.workflows.provider_sources import host_pool
from d118_pipelines.workflows.run import Run
from d118_pipelines.workflows.sync import pull_provider

MEANING = {
    "proven": "absence counts at once",
    "ended": "absence counts after two pulls",
    "never": "absence means nothing",
}


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
        context.log.info(
            f"{provider.id}: {sum(c.rows for c in made.collections.values()):,} records "
            f"in {made.seconds:.1f} s"
        )
        for name in names:
            # A set of files need not hold every collection.
            collection = made.collections.get(name) or Collection(name)
            yield dg.MaterializeResult(
                asset_key=["raw", provider.id, name],
                metadata=_metadata(made, collection),
            )

    return pull


def progress(log: dg.DagsterLogManager):  # type: ignore[no-untyped-def]
    """Log rows, pages and rate of a collection, every two seconds at most."""
    say = now_and_then(log.info)

    def report(name: str, rows: int, pages: int, seconds: float) -> None:
        rate = rows / max(seconds, 0.001)
        say(f"{name}: {rows:,} rows in {pages:,} pages, {rate:,.0f} rows a second")

    return report


def _metadata(pull: Pull, collection: Collection) -> Mapping[str, dg.MetadataValue]:
    value = dg.MetadataValue
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
