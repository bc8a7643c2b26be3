"""Raw extracts: one asset per collection of a provider, or per query of PowerSchool.

Wired in `definitions.py`; the pull itself is in `workflows/providers/sync.py`, an
extract of one query in `workflows/providers/powerschool_source.py`.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.progress import now_and_then
from d118_pipelines.config.providers import Provider, VendorFileProvider
from d118_pipelines.kernel.text import printable
from d118_pipelines.sources.powerschool.pull import READ_FROM
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines.sources.pull import Collection, Progress, Pull
from d118_pipelines.workflows.providers.powerschool_source import SYSTEM
from d118_pipelines.workflows.providers.powerschool_source import extract as pull_query
from d118_pipelines.workflows.providers.provider_sources import host_pool
from d118_pipelines.workflows.providers.sync import noted, pull_provider
from d118_pipelines.workflows.providers.vendor_files import pull_vendor_files
from d118_pipelines.workflows.runs.run import Run

MEANING = {
    "proven": "absence counts at once",
    "ended": "absence counts after two pulls",
    "never": "absence means nothing",
}

_TABLE = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)\s+(\w+)", re.I)
_COLUMN = re.compile(r"^\s+(.+?)\s+AS\s+(\w+),?$", re.I | re.M)
_PART = re.compile(r"\b(\w+)\.(\w+)")


def raw_group(system: str) -> str:
    """The group of a system's extracts."""
    return f"{system}_raw"


def pull_assets(
    provider: Provider,
    names: Sequence[str],
    queries: Mapping[str, Query] | None = None,
    freshness: dg.FreshnessPolicy | None = None,
) -> dg.AssetsDefinition:
    """The assets `raw/<provider>/<collection>`, made together: a pull is complete or nothing.

    names: of its collections, in the order in which they are read. freshness: of
    extracts that no roster is made of. queries: of those that come from PowerSchool.
    There a part of the assets can be selected: each of them is then an extract of one
    query, and no roster is staged from it.
    """
    queries = queries or {}
    specs = [
        _query_spec(provider.id, queries[name])
        if name in queries
        else _collection_spec(provider, name, freshness)
        for name in names
    ]

    @dg.multi_asset(
        name=f"raw__{provider.id}",
        specs=specs,
        pool=host_pool(provider),
        can_subset=bool(queries),
    )
    def pull(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        if len(context.selected_asset_keys) < len(specs):
            for spec in specs:
                if spec.key in context.selected_asset_keys:
                    yield _extracted(context, run, spec.key, queries[spec.key.path[-1]])
            return
        is_files = isinstance(provider.model, VendorFileProvider)
        with reported():
            read = pull_vendor_files if is_files else pull_provider
            made = read(run, provider, progress(context.log))
        _say(context.log, made)
        for spec, name in zip(specs, names, strict=True):
            yield _result(spec.key, made, queries.get(name))

    return pull


def query_asset(query: Query) -> dg.AssetsDefinition:
    """The asset `raw/powerschool/<query>` of a query that no roster reads."""
    spec = _query_spec(SYSTEM, query)

    @dg.multi_asset(
        name=f"raw__{SYSTEM}__{query.name}", specs=[spec], pool="sis_oracle"
    )
    def extract(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        return _extracted(context, run, spec.key, query)

    return extract


def _collection_spec(
    provider: Provider, name: str, freshness: dg.FreshnessPolicy | None
) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["raw", provider.id, name],
        group_name=raw_group(provider.id),
        kinds={provider.model.type.lower().split("_")[0], "parquet"},
        owners=["team:data"],
        code_version=provider.fingerprint[:12],
        freshness_policy=freshness,
        description=f"{name} as {provider.model.name} sent them; kept for debugging "
        "until somebody deletes them.",
    )


def _query_spec(system: str, query: Query) -> dg.AssetSpec:
    """The asset of one query of PowerSchool."""
    return dg.AssetSpec(
        ["raw", system, query.name],
        group_name=raw_group(system),
        kinds={"oracle", "parquet"},
        owners=["team:data"],
        code_version=query.fingerprint[:12],
        description=_first_comment(query.sql),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=dt.timedelta(hours=48), warn_window=dt.timedelta(hours=26)
        ),
    )


def _extracted(
    context: dg.AssetExecutionContext, run: Run, key: dg.AssetKey, query: Query
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One query pulled by itself, in a target's run under the target's lease."""
    with reported():
        told = progress(context.log)
        if run.target:
            run.hold(run.target)
            run.note(run.target, 5, "Initializing connector")
            run.note(run.target, 10, "Testing connection")
            told = noted(run, run.target, [query.name], told)
        made = pull_query(run.project, query, run_id=run.run_id, on_progress=told)
    _say(context.log, made)
    return _result(key, made, query)


def _say(log: dg.DagsterLogManager, made: Pull) -> None:
    """How much was pulled, and what a person should know of it."""
    name = next(iter(made.collections)) if len(made.collections) == 1 else made.provider
    rows = sum(collection.rows for collection in made.collections.values())
    place = made.details.get(READ_FROM)
    source = f" from {place}" if place else ""
    log.info(f"{name}: {rows:,} rows in {made.seconds:.1f} s{source}")
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


def _result(key: dg.AssetKey, made: Pull, query: Query | None) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One collection of a pull; of a query also its columns and its text's hash."""
    value, name = dg.MetadataValue, key.path[-1]
    # A set of files need not hold every collection.
    found = made.collections.get(name) or Collection(name)
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": value.int(found.rows),
        "pages": value.int(found.pages),
        "size_bytes": value.int(found.size_bytes),
        "extract_seconds": value.float(found.seconds),
        "completeness": value.text(MEANING[found.absence]),
        "delta": value.bool(found.is_delta),
        "warnings": value.int(len(made.warnings)),
        **{printable(k): value.text(printable(v)) for k, v in made.details.items()},
    }
    if found.source_total is not None:
        metadata["source_total"] = value.int(found.source_total)
    if query is not None:
        metadata["query_fingerprint"] = value.text(query.fingerprint)
        metadata["attempts"] = value.int(int(made.details["attempts"]))
        metadata["dagster/column_schema"] = value.table_schema(_columns(made, query))
    return dg.MaterializeResult(asset_key=key, metadata=metadata)


def _columns(made: Pull, query: Query) -> dg.TableSchema:
    import pyarrow.parquet as pq  # heavy: only while a run writes it

    schema, origins = pq.read_schema(made.rows_file(query.name)), origins_of(query.sql)
    return dg.TableSchema(
        [dg.TableColumn(f.name, str(f.type), origins.get(f.name)) for f in schema]
    )


def origins_of(sql: str) -> dict[str, str]:
    """Column of a query -> the columns of PowerSchool that it is made from."""
    tables = {alias.lower(): table for table, alias in _TABLE.findall(sql)}
    origins = {}
    for expression, name in _COLUMN.findall(sql):
        parts = [(tables.get(a.lower()), c) for a, c in _PART.findall(expression)]
        origins[name] = ", ".join(dict.fromkeys(f"{t}.{c}" for t, c in parts if t))
    return origins


def _first_comment(sql: str) -> str:
    """The comment lines at the head of a query file, as one paragraph."""
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)
