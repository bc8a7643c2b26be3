"""SCIM: the asset `scim/<district>/users`, materialized when every user was answered.

Wired in `definitions.py` instead of a delivery of files; the sending is in
`workflows/scim.py`.
"""

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.deadline import deadline_policy
from d118_pipelines.assets.exports import export_key
from d118_pipelines.assets.progress import now_and_then
from d118_pipelines.config.district import District
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.run import Run
from d118_pipelines.workflows.scim import Provisioned, provision_plan


def scim_asset(target: Target, district: District) -> dg.AssetsDefinition:
    """The users at the service provider; its deadline is its freshness policy."""

    @dg.asset(
        key=["scim", district.id, target.main_file.name],
        deps=[export_key(target, file) for file in target.model.files],
        group_name=target.name,
        kinds={"scim"},
        owners=["team:data"],
        pool=f"scim_{target.name}",
        code_version=target.fingerprint[:12],
        freshness_policy=deadline_policy(target, district),
        description=f"{target.model.title}: users created, changed and deactivated as "
        "the plan says, each entered in the ledger when the provider has confirmed it.",
    )
    def users(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        say = now_and_then(context.log.info)

        def report(done: int, total: int) -> None:
            say(f"{done:,} of {total:,} users")

        with reported():
            done = provision_plan(
                run.project, target, run_id=run.run_id, on_progress=report
            )
        _say(context, target, done)
        return dg.MaterializeResult(metadata=_metadata(done))

    return users


def _say(context: dg.AssetExecutionContext, target: Target, done: Provisioned) -> None:
    if done.report is None:
        context.log.info(f"{done.changes:,} requests written to {done.label}")
        return
    context.log.info(f"{target.name}: {done.changes:,} users sent to {done.label}")
    for status, hint in [
        ("failed", f"See them: d118 findings {target.name}"),
        ("pending", "The next run tries again."),
    ]:
        if number := done.number(status):  # type: ignore[arg-type]
            context.log.warning(f"{number:,} users {status}. {hint}")


def _metadata(done: Provisioned) -> dict[str, dg.MetadataValue]:
    value = dg.MetadataValue
    users = {name: n for name, n in done.users.items() if name != "last_sync"}
    last = done.users["last_sync"]
    report = done.report
    sent = (
        {
            **{f"sent_{status}": value.int(n) for status, n in report.counts.items()},
            "requests": value.int(report.requests),
            "way": value.text(report.used),
        }
        if report
        else {}
    )
    return {
        "destination": value.text(done.label),
        "changes": value.int(done.changes),
        **{name: value.int(number) for name, number in users.items()},
        **({"last_sync": value.timestamp(last)} if last else {}),
        **sent,
        "delivery_seconds": value.float(done.seconds),
    }
