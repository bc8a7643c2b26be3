"""The vendor's answer to a target's deliveries: `results/<target>`, in the target's job.

Wired in `definitions.py`; the reading is in `workflows/targets/results.py`.
"""

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines.workflows.targets.results import read_results


def results_asset(target: Target) -> dg.AssetsDefinition:
    """What the vendor said of earlier sets.

    A new set does not wait for it: where it cannot be read, the run goes on.
    """

    @dg.asset(
        key=["results", target.name],
        group_name=target.name,
        kinds={"csv"},
        owners=["team:data"],
        code_version=target.fingerprint[:12],
        output_required=False,
        description=f"{target.model.title}: what the vendor accepted and rejected.",
    )
    def results(context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]):  # type: ignore[no-untyped-def]
        with reported():
            run.hold(target.name)
            try:
                found = read_results(run.project, target, now=utc_now())
            except D118Error as exc:
                context.log.warning(
                    f"{target.name}: the vendor's answer was not read: {exc.what}"
                )
                return
        counts = {name: dg.MetadataValue.int(n) for name, n in found.items()}
        context.log.info(
            f"{target.name}: {found['files']:,} result files, "
            f"{found['rejected']:,} records rejected"
        )
        yield dg.MaterializeResult(metadata=counts)

    return results
