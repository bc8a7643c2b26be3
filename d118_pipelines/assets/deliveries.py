"""Deliveries: one asset per target; materialized only when the set was read back.

Wired in `definitions.py` behind the exports of `exports.py`; the sending is in
`workflows/deliver.py`, the same for users at a service in `scim.py`.
"""

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.deadline import deadline_policy
from d118_pipelines.assets.exports import export_key
from d118_pipelines.assets.progress import now_and_then
from d118_pipelines.config.district import District
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.deliver import Delivered, deliver_plan
from d118_pipelines.workflows.run import Run


def delivery_asset(target: Target, district: District) -> dg.AssetsDefinition:
    """The asset `deliveries/<target>`; its deadline is its freshness policy."""

    @dg.asset(
        key=["deliveries", target.name],
        deps=[export_key(target, file) for file in target.model.files],
        group_name=target.name,
        kinds={"sftp"},
        owners=["team:data"],
        pool=f"sftp_{target.name}",
        code_version=target.fingerprint[:12],
        freshness_policy=deadline_policy(target, district),
        description=f"{target.model.title}: the set sent, read back and entered in the "
        "ledger.",
    )
    def delivery(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        say = now_and_then(context.log.info)

        def report(name: str, sent: int, total: int) -> None:
            say(f"{name}: {sent:,} of {total:,} bytes")

        with reported():
            delivered = deliver_plan(
                run.project, target, run_id=run.run_id, on_progress=report
            )
        context.log.info(f"{target.name}: verified at {delivered.label}")
        return dg.MaterializeResult(metadata=_metadata(delivered))

    return delivery


def _metadata(delivered: Delivered) -> dict[str, dg.MetadataValue]:
    value = dg.MetadataValue
    lines = ["| file | rows | bytes |", "|---|---|---|"]
    lines += [
        f"| {f['name']} | {f['rows']} | {f['size_bytes']} |" for f in delivered.files
    ]
    return {
        "destination": value.text(delivered.label),
        "files": value.md("\n".join(lines)),
        **{f"sha256 {f['name']}": value.text(f["sha256"]) for f in delivered.files},
        "records_sent": value.int(sum(int(f["rows"]) for f in delivered.files)),
        "bytes_sent": value.int(sum(int(f["size_bytes"]) for f in delivered.files)),
        "ledger_entries": value.int(delivered.entries),
        "read_back": value.text(", ".join(delivered.report.read_back)),
        "attempts": value.int(delivered.report.attempts),
        "delivery_seconds": value.float(delivered.seconds),
        "delivery": value.text(delivered.id),
    }
