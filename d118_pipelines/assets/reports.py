"""Reports for the district: the disclosure register, and what retention removed.

Called by `definitions.py`; the register is made in `workflows/people/disclosures.py`,
what is too old is removed in `workflows/upkeep/retention.py`.
"""

import hashlib
from collections.abc import Sequence
from functools import partial

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.markdown import markdown_table
from d118_pipelines.config.project import Project
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.instance import remove_old_runs
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.targets.disclosures import Disclosure
from d118_pipelines.workflows.monitoring.all_feeds import Feeds
from d118_pipelines.workflows.people.disclosures import (
    OVERDUE_AFTER,
    REMIND_AFTER,
    last_posting,
    register,
    shown,
    write_register,
)
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines.workflows.upkeep.retention import prune

KEY = dg.AssetKey(["reports", "district", "disclosures"])
RETENTION = dg.AssetKey(["reports", "district", "retention"])
_AUTO = dg.AutomationCondition

renewal_sensor = dg.AutomationConditionSensorDefinition(
    "disclosures_sensor",
    target=dg.AssetSelection.assets(KEY),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Renews the disclosure register after deliveries.",
)


def disclosure_report(
    feeds: Feeds, deliveries: Sequence[dg.AssetKey]
) -> dg.AssetsDefinition:
    """`reports/district/disclosures`: who got which data, from what was delivered."""

    @dg.asset(
        key=KEY,
        deps=deliveries,
        # Not eager(): a target that never delivered would hold it back.
        automation_condition=_AUTO.any_deps_updated().since_last_handled()
        & ~_AUTO.in_progress(),
        group_name="district",
        kinds={"markdown", "csv"},
        owners=["team:data"],
        code_version=hashlib.sha256(
            "".join(target.fingerprint for target in feeds.targets).encode("utf-8")
        ).hexdigest()[:12],
        check_specs=[
            dg.AssetCheckSpec(
                "agreements_stated",
                asset=KEY,
                description="Every target with pupils' data names its agreement.",
            ),
            dg.AssetCheckSpec(
                "posting_fresh",
                asset=KEY,
                description="The register was posted within the last half year.",
            ),
        ],
        description="The disclosure register: data elements, people, recipients and "
        "reasons, generated from what was delivered and read back.",
    )
    def disclosures(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        project, now = run.project, utc_now()
        with reported():
            found = register(project, feeds)
            files = write_register(project, found, now)
        context.log.info(f"{len(found):,} files are disclosed.")
        value = dg.MetadataValue
        return dg.MaterializeResult(
            metadata={
                "register": value.md(shown(found, "markdown", project, now)),
                "recipients": value.int(len({one.recipient for one in found})),
                "files_disclosed": value.int(len(found)),
                "data_elements": value.int(sum(len(one.elements) for one in found)),
                "reports": value.text(", ".join(shown_path(path) for path in files)),
            },
            check_results=[_agreements(found), _posting(project, found)],
        )

    return disclosures


@dg.asset(
    key=RETENTION,
    group_name="district",
    kinds={"json"},
    owners=["team:data"],
    code_version="1",
    description="Removes what is older than retention: in config/district.yaml says, and "
    "erases people who left: extracts, plans, files, logs, Dagster's own runs.",
)
def retention(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """`reports/district/retention`: the same as `d118 prune`."""
    with reported():
        done = prune(
            run.project,
            now=utc_now(),
            actor=run.actor.triggered_by,
            old_runs=partial(remove_old_runs, context.instance, run.project),
        )
    value = dg.MetadataValue
    heads = ["class", "days", "removed", "older, but kept", "bytes"]
    rows = [(p.kind, p.days, p.removed, p.kept, p.size_bytes) for p in done]
    return dg.MaterializeResult(
        metadata={
            "classes": value.md(markdown_table(heads, rows)),
            "removed": value.int(sum(one.removed for one in done)),
            "bytes_removed": value.int(sum(one.size_bytes for one in done)),
        }
    )


def _agreements(found: Sequence[Disclosure]) -> dg.AssetCheckResult:
    without = sorted({one.target for one in found if one.lacks_agreement})
    return dg.AssetCheckResult(
        check_name="agreements_stated",
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Without an agreement: {', '.join(without)}. State it in the target's "
        "YAML, key disclosure.agreement."
        if without
        else "Every target with pupils' data names its agreement.",
    )


def _posting(project: Project, found: Sequence[Disclosure]) -> dg.AssetCheckResult:
    if not any(one.must_be_posted for one in found):
        return dg.AssetCheckResult(
            check_name="posting_fresh",
            passed=True,
            description="Nothing to post: no pupils' data went to a configured address.",
        )
    posted = last_posting(project)
    age = utc_now() - posted if posted else None
    overdue = age is None or age > OVERDUE_AFTER
    severity = dg.AssetCheckSeverity
    last = f"Last posted {posted:%Y-%m-%d}." if posted else "Never posted."
    return dg.AssetCheckResult(
        check_name="posting_fresh",
        passed=age is not None and age <= REMIND_AFTER,
        severity=severity.ERROR if overdue and posted else severity.WARN,
        description=f"{last} After posting, run: d118 ledger disclosures --posted",
    )
