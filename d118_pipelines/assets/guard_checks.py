"""The guard's rules as asset checks, the same for rosters and for exports.

Called by `roster.py`, `exports.py` and `plan_page.py`. The rules are in
`roster/planning/guard.py` and `targets/guard.py`.
"""

from collections.abc import Mapping
from urllib.parse import quote

import dagster as dg

from d118_pipelines.assets.boundary import Context, reported
from d118_pipelines.config.project import LOCATION
from d118_pipelines.errors import D118Error, HeldError, WaitingError
from d118_pipelines.kernel.guard_rule import GuardRule, check_name
from d118_pipelines.kernel.text import printable
from d118_pipelines.state.plans import PREFIX_LENGTH, Approval, StoredPlan
from d118_pipelines.workflows.runs.admission import release_text


def guard_check_specs(
    asset: dg.AssetKey, meanings: Mapping[str, str], *, consequence: str
) -> list[dg.AssetCheckSpec]:
    """A blocking check per rule. consequence: of a broken one, in words."""
    return [
        dg.AssetCheckSpec(
            check_name(code),
            asset=asset,
            blocking=True,
            description=f"{meaning} While this is broken, {consequence}.",
        )
        for code, meaning in meanings.items()
    ]


def guard_check(
    asset: dg.AssetKey, rule: GuardRule, plan: StoredPlan, approval: Approval | None
) -> dg.AssetCheckResult:
    """The result of one rule; a broken rule that holds passes once the plan is approved."""
    released = approval is not None and rule.kind != "failed"
    text = printable(rule.message)
    if not rule.passed and released:
        text += " Released by an approval."
    elif not rule.passed and rule.kind == "held":
        text += (
            f" Held. {release_text(plan.target, plan.plan_hash)} (or the job approve)."
        )
    severity = dg.AssetCheckSeverity
    consequences = {
        "failed": "the run fails",
        "held": "waits for an approval",
        "waiting": "waits for the day after, or for an approval",
    }
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=rule.check_name,
        passed=rule.passed or released,
        # Of a warning the run goes on; the next step finds that it waits.
        severity=severity.WARN if rule.kind == "waiting" else severity.ERROR,
        description=text,
        metadata={
            "result": text,
            "rule": rule.code,
            "if_broken": consequences[rule.kind],
        },
    )


def failed_records_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that warns of records which an otherwise good run could not take over."""
    return dg.AssetCheckSpec(
        "records_taken_over", asset=asset, description="Every record was taken over."
    )


def failed_records(
    asset: dg.AssetKey, failed: int, total: int, way_on: str
) -> dg.AssetCheckResult:
    """The share of records that failed; a warning, which stops nothing."""
    share = failed / total if total else 0.0
    text = f"{failed:,} of {total:,} records failed ({share:.1%})."
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name="records_taken_over",
        passed=failed == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{text} See: {way_on}" if failed else text,
        metadata={"failed": failed, "share": share},
    )


def none_failed(asset: dg.AssetKey) -> dg.AssetCheckResult:
    """The same of a run that waits: nothing was taken over, and nothing failed."""
    return failed_records(asset, 0, 0, "")


def stop(context: Context, refused: D118Error | None, plan: StoredPlan) -> None:
    """End a step whose plan may not go, after all that it made and checked was yielded.

    So the step and the run fail with the guard's own words; Dagster's own error about a
    blocking check leaves out the way on. Raises: dg.Failure.
    """
    if refused is None or isinstance(refused, WaitingError):
        return  # what carries it out says that it waits
    hash_shown = {"plan_hash": dg.MetadataValue.text(plan.plan_hash)}
    link = {"approve": dg.MetadataValue.url(approve_path(plan))}
    is_held = isinstance(refused, HeldError)
    with reported(context, {**(link if is_held else {}), **hash_shown}):
        raise refused


def approve_path(plan: StoredPlan) -> str:
    """The launchpad of the job `approve` with target and hash filled in.

    Dagster does not launch it before somebody has typed a reason.
    """
    config = (
        "ops:\n  release_plan:\n    config:\n"
        f"      target: {plan.target}\n"
        f'      plan_hash: "{plan.plan_hash[:PREFIX_LENGTH]}"\n'
        "      reason: "
    )
    return f"/locations/{LOCATION}/jobs/approve/playground/setup?config={quote(config)}"


def verdict_shown(plan: StoredPlan, approval: Approval | None) -> str:
    """The guard's verdict, or `approved` where an approval releases the plan."""
    return "approved" if approval else plan.verdict
