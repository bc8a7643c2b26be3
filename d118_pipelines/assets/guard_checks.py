"""A rule of a guard as an asset check, the same for rosters and for exports.

Belongs here: what a person reads on the check. Not here: any rule, and what is blocked.
"""

import dagster as dg

from d118_pipelines.kernel.guard_rule import GuardRule


def guard_check(
    asset: dg.AssetKey,
    rule: GuardRule,
    *,
    name: str,
    plan_hash: str,
    is_approved: bool,
    **more: str,
) -> dg.AssetCheckResult:
    """How one rule went; a broken one that holds passes when the plan is approved.

    name: the provider or target, as `d118 plan` takes it. more: further metadata.
    """
    released = is_approved and rule.kind == "held"
    text = rule.message
    if not rule.passed and released:
        text += " Released by an approval."
    elif not rule.passed and rule.kind == "held":
        text += (
            f" Held. Review: d118 plan {name}. Release: d118 approve {name} "
            f'{plan_hash[:8]} --reason "..." (or the job approve).'
        )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=rule.check_name,
        passed=rule.passed or released,
        severity=dg.AssetCheckSeverity.ERROR,
        description=text,
        metadata={"result": text, "rule": rule.code, **more},
    )
