"""Exports: one asset per file of a target, made together, guarded by blocking checks.

Wired in `definitions.py`; the files are made in `workflows/targets/export.py`, their
page in the UI in `plan_page.py`.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.guard_checks import (
    guard_check,
    guard_check_specs,
    stop,
    verdict_shown,
)
from d118_pipelines.assets.plan_page import file_metadata, not_checked
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.guard import rule_meanings
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.workflows.runs.admission import refusal
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines.workflows.targets.export import make_export
from d118_pipelines.workflows.targets.target_feed import TargetFeed, out_of_term_text


def export_key(target: Target, file: TargetFile) -> dg.AssetKey:
    """`exports/<target>/<file>`."""
    return dg.AssetKey(["exports", target.name, file.name])


def export_assets(
    target: Target, applies: Sequence[dg.AssetKey] = ()
) -> dg.AssetsDefinition:
    """All files of a target as one step: they come from the same people at one moment.

    applies: the assets that write the roster of record, for a target that reads it. Out
    of term nothing is materialized, and what follows is skipped.
    """
    reads = [dg.AssetKey(list(parts)) for parts in target.reads]
    reads += applies
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
    meanings = rule_meanings(target)
    checks = guard_check_specs(main, meanings, consequence="nothing is sent")

    @dg.multi_asset(name=f"exports__{target.name}", specs=specs, check_specs=checks)
    def exports(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        with reported():
            run.hold(target.name)  # until the delivery has ended
            run.note(target.name, 55, "Making the files")
            made = make_export(
                run.project, target, run_id=run.run_id, now=utc_now(), warn=run.warn
            )
        if made is None:
            run.note(target.name, 100, "Out of term")
            context.log.warning(out_of_term_text(target))
            yield from (not_checked(main, code) for code in meanings)
            return
        context.log.info(f"{target.name}: made from {made.read_from}")
        rows = sum(file.rows for file in made.export.files if not file.file.control)
        context.log.info(
            f"{target.name}: {rows:,} records, {len(made.export.findings):,} findings, "
            f"plan {made.plan.plan_hash[:8]} {verdict_shown(made.plan, made.approval)}"
        )
        for file in made.export.files:
            is_main = file.file is target.main_file
            yield dg.MaterializeResult(
                asset_key=export_key(target, file.file),
                metadata=file_metadata(made, file, with_plan=is_main),
                check_results=[
                    guard_check(main, rule, made.plan, made.approval)
                    for rule in made.plan.rules
                ]
                if is_main
                else [],
            )
        run.note(target.name, 80, "Delivering")
        feed, now = TargetFeed(run.project, target), made.plan.created_at
        stop(context, refusal(feed, made.plan, made.approval, now=now), made.plan)

    return exports
