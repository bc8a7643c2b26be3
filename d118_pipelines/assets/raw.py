"""Raw extracts: one asset per query of `sql/powerschool/`."""

import datetime as dt
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.progress import now_and_then
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.resources import PowerSchoolResource
from d118_pipelines.sources.extracts import Extract, pull_extract
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines.workflows.run import Run
from d118_pipelines.workflows.sync_runs import sync_step

# Before classes are scheduled a district has neither.
MAY_BE_EMPTY = ("enrollments", "section_teachers")


def raw_asset(path: Path) -> dg.AssetsDefinition:
    """The asset `raw/powerschool/<query>` for one query file."""
    query = Query.read(path)

    @dg.asset(
        key=["raw", "powerschool", query.name],
        group_name="powerschool",
        kinds={"oracle", "parquet"},
        owners=["team:data"],
        pool="sis_oracle",
        code_version=query.fingerprint[:12],
        description=_first_comment(query.sql),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=dt.timedelta(hours=48), warn_window=dt.timedelta(hours=26)
        ),
    )
    def extract(
        context: dg.AssetExecutionContext,
        run: dg.ResourceParam[Run],
        powerschool: PowerSchoolResource,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with reported(), _part_of_a_sync(run, context.run.tags):
            result = pull_extract(
                powerschool.source(run.project),
                query,
                {},
                entity_folder=run.project.folder("raw", "powerschool", query.name),
                run_id=run.run_id,
                now=utc_now(),
                on_progress=_progress(context.log),
                may_be_empty=query.name in MAY_BE_EMPTY,
            )
        context.log.info(
            f"{query.name}: {result.row_count:,} rows in {result.seconds:.1f} s"
        )
        for warning in result.warnings:
            context.log.warning(warning)
        return dg.MaterializeResult(metadata=_metadata(result))

    return extract


def _part_of_a_sync(
    run: Run, tags: Mapping[str, str]
) -> AbstractContextManager[object]:
    """In a provider's sync its lease and its run's row; else nothing."""
    wanted = tags.get("sis/provider")
    for provider in run.project.providers():
        if provider.id == wanted:
            return sync_step(run, provider)
    return nullcontext()


def _progress(log: dg.DagsterLogManager):  # type: ignore[no-untyped-def]
    say = now_and_then(log.info)

    def report(rows: int, seconds: float) -> None:
        say(f"{rows:,} rows, {rows / max(seconds, 0.001):,.0f} rows a second")

    return report


def _metadata(extract: Extract) -> dict[str, dg.MetadataValue]:
    columns = [dg.TableColumn(name, kind) for name, kind in extract.columns.items()]
    return {
        "dagster/row_count": dg.MetadataValue.int(extract.row_count),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
        "query_fingerprint": dg.MetadataValue.text(extract.query_fingerprint),
        "source": dg.MetadataValue.text(
            "demonstration" if extract.is_demonstration else extract.source
        ),
        "extract_seconds": dg.MetadataValue.float(extract.seconds),
        "attempts": dg.MetadataValue.int(extract.attempts),
        "warnings": dg.MetadataValue.int(len(extract.warnings)),
    }


def _first_comment(sql: str) -> str:
    """The comment lines at the head of a query file, as one paragraph."""
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)
