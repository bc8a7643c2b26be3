"""Exports: one asset per file of a target, made together, guarded by blocking checks.

Wired in `definitions.py`; the files are made in `workflows/export.py`, their page in the UI
in `plan_page.py`.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.plan_page import (
    check_result,
    file_metadata,
    not_checked,
    verdict_shown,
)
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.guard_rule import check_name
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.guard import rule_meanings
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.workflows.admission import failed_text, held_error, out_of_term_text
from d118_pipelines.workflows.export import MadeExport, make_export
from d118_pipelines.workflows.run import Run


def export_key(target: Target, file: TargetFile) -> dg.AssetKey:
    """`exports/<target>/<file>`."""
    return dg.AssetKey(["exports", target.name, file.name])


def export_assets(
    target: Target, applies: Sequence[dg.AssetKey] = ()
) -> dg.AssetsDefinition:
    """All files of a target as one step: they come from the same people at one moment.

    applies: the assets that write the roster of record; a target that reads it comes
    after them. Out of term nothing is materialized, and what follows is skipped.
    """
    reads = [dg.AssetKey(list(parts)) for parts in target.reads]
    reads += applies if target.roster_reads else ()
    main = export_key(target, target.main_file)
    specs = [
        dg.AssetSpec(
            export_key(target, file),
            deps=reads,
            group_name=target.name,
            skippable=True,
            kinds={"duckdb", "csv"},
            owners=["team:data"],
            code_version=target.fingerprint[:12],
            description=f"{file.file} for {target.model.title}, rendered and checked"
            + (", not sent." if file.deliver else ". It is never sent."),
        )
        for file in target.model.files
    ]
    checks = [
        dg.AssetCheckSpec(
            check_name(code),
            asset=main,
            blocking=True,
            description=f"{meaning} While this is broken, nothing is sent.",
        )
        for code, meaning in rule_meanings(target).items()
    ]

    @dg.multi_asset(name=f"exports__{target.name}", specs=specs, check_specs=checks)
    def exports(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        with reported():
            run.hold(target.name)  # until the delivery has ended
            made = make_export(run.project, target, run_id=run.run_id, now=utc_now())
        if made is None:
            context.log.warning(out_of_term_text(target))
            yield from (not_checked(main, code) for code in rule_meanings(target))
            return
        rows = sum(file.rows for file in made.export.files if not file.file.control)
        context.log.info(
            f"{target.name}: {rows:,} records, {len(made.export.findings):,} findings, "
            f"plan {made.plan.plan_hash[:8]} {verdict_shown(made)}"
        )
        _say_why_not(context, run.project, target, made)
        for file in made.export.files:
            is_main = file.file is target.main_file
            yield dg.MaterializeResult(
                asset_key=export_key(target, file.file),
                metadata=file_metadata(made, file, with_plan=is_main),
                check_results=[
                    check_result(main, made, rule) for rule in made.plan.rules
                ]
                if is_main
                else [],
            )

    return exports


def _say_why_not(
    context: dg.AssetExecutionContext,
    project: Project,
    target: Target,
    made: MadeExport,
) -> None:
    """Say in the run's log what Dagster's own message about a check leaves out."""
    failed = [r for r in made.plan.rules if not r.passed and r.kind == "failed"]
    if failed:
        context.log.error(failed_text(target, failed))
    elif made.plan.verdict == "held" and made.approval is None:
        context.log.error(str(held_error(project, target, made.plan)))
