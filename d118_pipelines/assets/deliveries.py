"""Deliveries: one asset per target; materialized only when the delivery counts.

Called by `definitions.py`. A set of files is `deliveries/<target>`, users are
`scim/<district>/users`; how each is sent is in `workflows/targets/deliver.py`.
"""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from d118_pipelines.assets.boundary import reported, waits
from d118_pipelines.assets.exports import export_key
from d118_pipelines.assets.freshness import deadline_policy, longest_wait
from d118_pipelines.assets.guard_checks import (
    failed_records,
    failed_records_spec,
    none_failed,
)
from d118_pipelines.assets.markdown import markdown_table
from d118_pipelines.assets.progress import now_and_then
from d118_pipelines.config.district import District
from d118_pipelines.delivery.files import DeliveryReport
from d118_pipelines.errors import WaitingError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines.workflows.targets.deliver import Delivered, deliver_plan
from d118_pipelines.workflows.targets.deliveries import delivery_of
from d118_pipelines.workflows.targets.scim import SentUsers

Metadata = dict[str, dg.MetadataValue]
_FILES = "the set sent, read back and entered in the ledger."
_USERS = (
    "users created, changed and deactivated as the plan says, each entered in the ledger "
    "when the provider has confirmed it."
)


def delivery_asset(target: Target, district: District) -> dg.AssetsDefinition:
    """A target's last asset; its deadline is its freshness policy."""
    users = ["scim", district.id, target.main_file.name]
    protocol = "scim" if target.sends_users else "sftp"
    checks = [failed_records_spec(dg.AssetKey(users))] if target.sends_users else []

    @dg.asset(
        key=users if target.sends_users else ["deliveries", target.name],
        deps=[export_key(target, file) for file in target.model.files],
        group_name=target.name,
        kinds={protocol},
        owners=["team:data"],
        pool=f"{protocol}_{target.name}",
        code_version=target.fingerprint[:12],
        freshness_policy=_deadline_policy(target, district),
        check_specs=checks,
        output_required=False,  # in a blackout nothing is sent
        description=f"{target.model.title}: {_USERS if target.sends_users else _FILES}",
    )
    def delivery(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        with reported(context):
            run.hold(target.name)
            if target.undisclosed:
                run.warn(target.undisclosed)
            way = delivery_of(run.project, target, now_and_then(context.log.info))
            by = run.actor.triggered_by
            try:
                done = deliver_plan(way, run_id=run.run_id, actor=by)
            except WaitingError as stopped:
                waits(context, run, target.name, stopped)
                yield from (none_failed(check.asset_key) for check in checks)
                return
            run.note(target.name, 100, "Done")
        if isinstance(done.report, SentUsers):
            _say_users(context.log, target, done.label, done.report)
            failed = failed_records(
                checks[0].asset_key,
                done.report.number("failed"),
                done.report.changes,
                f"d118 findings {target.name}",
            )
            yield dg.MaterializeResult(
                metadata=_users_metadata(done), check_results=[failed]
            )
            return
        context.log.info(f"{target.name}: {done.status} at {done.label}")
        yield dg.MaterializeResult(metadata=_files_metadata(done))

    return delivery


def _deadline_policy(target: Target, district: District) -> dg.FreshnessPolicy | None:
    """The target's deadline as a freshness policy; None without one."""
    schedule = target.model.schedule
    if schedule is None or schedule.deadline is None:
        return None
    today = utc_now().astimezone(district.zone).date()
    waits = longest_wait(target.model.guard.blackouts, today)
    zone = ZoneInfo(schedule.time_zone or district.time_zone)
    return deadline_policy(schedule.deadline, zone, waits)


def _files_metadata(done: Delivered[DeliveryReport]) -> Metadata:
    value = dg.MetadataValue
    rows = [(f["name"], f["rows"], f["size_bytes"]) for f in done.files]
    return {
        "destination": value.text(done.label),
        "files": value.md(markdown_table(["file", "rows", "bytes"], rows)),
        **{f"sha256 {f['name']}": value.text(f["sha256"]) for f in done.files},
        "records_sent": value.int(sum(int(f["rows"]) for f in done.files)),
        "bytes_sent": value.int(sum(int(f["size_bytes"]) for f in done.files)),
        "ledger_entries": value.int(done.entries),
        "read_back": value.text(", ".join(done.report.read_back) or "nothing"),
        "attempts": value.int(done.report.attempts),
        "delivery_seconds": value.float(done.seconds),
        "delivery": value.text(done.id),
    }


def _say_users(
    log: dg.DagsterLogManager, target: Target, label: str, sent: SentUsers
) -> None:
    if sent.report is None:
        log.info(f"{sent.changes:,} requests written to {label}")
        return
    log.info(f"{target.name}: {sent.changes:,} users sent to {label}")
    if failed := sent.number("failed"):
        log.warning(f"{failed:,} users failed. See them: d118 findings {target.name}")
    if pending := sent.number("pending"):
        log.warning(f"{pending:,} users pending. The next run tries again.")


def _users_metadata(done: Delivered[SentUsers]) -> Metadata:
    value, sent = dg.MetadataValue, done.report
    numbers: dict[str, Any] = {"changes": sent.changes, **sent.users}
    last = numbers.pop("last_sync")
    shown: Metadata = {"destination": value.text(done.label)}
    if sent.report is not None:
        numbers |= {f"sent_{name}": n for name, n in sent.report.counts.items()}
        numbers["requests"] = sent.report.requests
        shown["way"] = value.text(sent.report.used)
    if last:
        shown["last_sync"] = value.timestamp(last)
    shown |= {name: value.int(number) for name, number in numbers.items()}
    return {**shown, "delivery_seconds": value.float(done.seconds)}
