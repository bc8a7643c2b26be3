"""The roster: the plan with the guard as blocking checks, and its apply.

Wired in `definitions.py` behind `staged.py`; both steps are in
`workflows/providers/sync.py`.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from d118_pipelines.assets.boundary import reported, waits
from d118_pipelines.assets.guard_checks import (
    failed_records,
    failed_records_spec,
    guard_check,
    guard_check_specs,
    none_failed,
    stop,
    verdict_shown,
)
from d118_pipelines.assets.markdown import markdown_table
from d118_pipelines.config.providers import Provider
from d118_pipelines.errors import WaitingError
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.roster.planning.guard import RULES
from d118_pipelines.roster.planning.plan_counts import Counts, SchoolCounts, scope
from d118_pipelines.roster.store.apply import ApplyResult, OnStep
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed
from d118_pipelines.workflows.providers.sync import (
    PlannedRun,
    apply_provider,
    plan_provider,
)
from d118_pipelines.workflows.providers.sync_runs import close_failed
from d118_pipelines.workflows.runs.admission import refusal
from d118_pipelines.workflows.runs.run import Run

SHOWN_SCHOOLS = 12
_COLUMNS = (
    *("active", "fetched", "created", "updated"),
    *("reactivated", "deactivated", "unchanged", "conflicts"),
)


def plan_key(provider: Provider) -> dg.AssetKey:
    """`roster/<provider>/plan`."""
    return dg.AssetKey(["roster", provider.id, "plan"])


def apply_key(provider: Provider) -> dg.AssetKey:
    """`roster/<provider>/apply`."""
    return dg.AssetKey(["roster", provider.id, "apply"])


def roster_assets(
    provider: Provider,
    staged: Sequence[str],
    freshness: dg.FreshnessPolicy | None = None,
    apply_freshness: dg.FreshnessPolicy | None = None,
) -> list[dg.AssetsDefinition]:
    """The assets `roster/<provider>/plan` and `roster/<provider>/apply`.

    staged: the entities that the plan is made from.
    """
    return [
        _plan_asset(provider, staged, freshness),
        _apply_asset(provider, apply_freshness),
    ]


def _plan_asset(
    provider: Provider, staged: Sequence[str], freshness: dg.FreshnessPolicy | None
) -> dg.AssetsDefinition:
    key = plan_key(provider)

    @dg.asset(
        key=key,
        deps=[dg.AssetKey(["staged", provider.id, entity]) for entity in staged],
        check_specs=guard_check_specs(key, RULES, consequence="nothing is applied"),
        group_name=provider.id,
        kinds={"duckdb"},
        owners=["team:data"],
        code_version=provider.fingerprint[:12],
        freshness_policy=freshness,
        description=f"What {provider.model.name} would change in the roster: made, "
        "judged and kept before anything is written.",
    )
    def plan(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        with reported():
            made = plan_provider(run, provider)
            feed, now = ProviderFeed(run.project, provider), made.stored.created_at
            refused = refusal(feed, made.stored, made.approval, now=now)
            if refused is not None and not isinstance(refused, WaitingError):
                # The checks block the apply, which would otherwise end the run's row.
                close_failed(run, provider, refused, made.plan.hash)
        context.log.info(
            f"{provider.id}: plan {made.plan.hash[:8]}, {made.plan.changes:,} changes, "
            f"{verdict_shown(made.stored, made.approval)}"
        )
        judged = {rule.code: rule for rule in made.plan.rules}
        rules = [
            judged.get(code) or GuardRule(code, "held", True, "No limit is set.")
            for code in RULES
        ]
        yield dg.MaterializeResult(
            metadata=_plan_metadata(made),
            check_results=[
                guard_check(key, rule, made.stored, made.approval) for rule in rules
            ],
        )
        stop(context, refused, made.stored)

    return plan


def _apply_asset(
    provider: Provider, freshness: dg.FreshnessPolicy | None
) -> dg.AssetsDefinition:
    check = failed_records_spec(apply_key(provider))

    @dg.asset(
        key=apply_key(provider),
        deps=[plan_key(provider)],
        group_name=provider.id,
        kinds={"sql"},
        owners=["team:data"],
        code_version=provider.fingerprint[:12],
        freshness_policy=freshness,
        check_specs=[check],
        output_required=False,  # in a blackout nothing is applied
        description=f"The plan of {provider.model.name} applied in one "
        "transaction, with history; all of it or nothing.",
    )
    def apply(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        with reported(context):
            try:
                result = apply_provider(run, provider, _told_to(context.log))
            except WaitingError as stopped:
                waits(context, run, provider.id, stopped)
                yield none_failed(check.asset_key)
                return
        context.log.info(
            f"{provider.id}: applied, {result.changed:,} records changed, "
            f"roster revision {result.revision}"
        )
        counts = result.stats.values()
        yield dg.MaterializeResult(
            metadata=_apply_metadata(result),
            check_results=[
                failed_records(
                    check.asset_key,
                    sum(int(c["errors"]) + int(c["conflicts"]) for c in counts),
                    sum(int(c["fetched"]) for c in counts),
                    f"d118 findings {provider.id}; d118 conflicts list",
                )
            ],
        )

    return apply


def _told_to(log: dg.DagsterLogManager) -> OnStep:
    """Log each entity once it is written; nothing counts before the end."""

    def told(step: str) -> None:
        if step.endswith(": done"):
            log.info(f"{step}, not committed yet")

    return told


def _plan_metadata(made: PlannedRun) -> dict[str, dg.MetadataValue]:
    value, plan = dg.MetadataValue, made.plan
    entities = {name: c for name, c in plan.counts.items() if "/" not in name}
    numbers = {
        f"{column} {name}": value.int(counts.as_dict()[column])
        for name, counts in entities.items()
        for column in ("created", "updated", "deactivated", "conflicts")
    }
    return {
        "verdict": value.text(verdict_shown(made.stored, made.approval)),
        "changes": value.int(plan.changes),
        "plan_hash": value.text(plan.hash),
        "plan": value.md(_table(entities)),
        "schools": value.md(_schools(plan.schools)),
        "roster_revision": value.int(plan.revision),
        **numbers,
    }


def _table(entities: dict[str, Counts]) -> str:
    rows = []
    for name, counts in entities.items():
        values = counts.as_dict()
        rows.append([name, *(f"{values[column]:,}" for column in _COLUMNS)])
    return markdown_table(["entity", *_COLUMNS], rows)


def _schools(schools: tuple[SchoolCounts, ...]) -> str:
    """The schools with the most changes; keys and counts only."""

    def changed(school: SchoolCounts) -> int:
        return school.created + school.updated + school.reactivated + school.leaving

    chosen = sorted((s for s in schools if changed(s)), key=changed, reverse=True)
    rows = [
        (
            *(s.school, scope(s.entity, s.group), f"{s.active:,}"),
            *(f"{s.created:,}", f"{s.updated:,}", f"{s.leaving:,}"),
        )
        for s in chosen[:SHOWN_SCHOOLS]
    ]
    heads = ["school", "entity", "active", "created", "updated", "leaving"]
    return markdown_table(heads, rows) if rows else "No school changes."


def _apply_metadata(result: ApplyResult) -> dict[str, dg.MetadataValue]:
    value = dg.MetadataValue
    totals = {
        f"{column} {entity}": value.int(int(counts.get(column, 0)))
        for entity, counts in result.stats.items()
        for column in ("created", "updated", "deactivated")
    }
    return {
        "status": value.text(result.status),
        "records_changed": value.int(result.changed),
        "new_conflicts": value.int(result.new_conflicts),
        "roster_revision": value.int(result.revision),
        "statistics": value.json({k: dict(v) for k, v in result.stats.items()}),
        **totals,
    }
