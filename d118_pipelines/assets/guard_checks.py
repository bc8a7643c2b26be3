"""The guard's rules as asset checks, the same for rosters and for exports.

Called by `roster.py`, `exports.py` and `plan_page.py`. The rules are in
`roster/planning/guard.py` and `targets/guard.py`.
"""

from collections.abc import Mapping

import dagster as dg

from d118_pipelines.kernel.guard_rule import GuardRule, check_name
from d118_pipelines.kernel.text import printable
from d118_pipelines.state.plans import Approval, StoredPlan
from d118_pipelines.workflows.admission import release_text


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
    released = approval is not None and rule.kind == "held"
    text = printable(rule.message)
    if not rule.passed and released:
        text += " Released by an approval."
    elif not rule.passed and rule.kind == "held":
        text += (
            f" Held. {release_text(plan.target, plan.plan_hash)} (or the job approve)."
        )
    fails = rule.kind == "failed"
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=rule.check_name,
        passed=rule.passed or released,
        severity=dg.AssetCheckSeverity.ERROR,
        description=text,
        metadata={
            "result": text,
            "rule": rule.code,
            "if_broken": "the run fails" if fails else "waits for an approval",
        },
    )


def verdict_shown(plan: StoredPlan, approval: Approval | None) -> str:
    """The guard's verdict, or `approved` where an approval releases the plan."""
    return "approved" if approval else plan.verdict
