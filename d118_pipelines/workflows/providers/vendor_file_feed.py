"""A vendor's files as a feed: what their guard holds, and its words.

Called by `vendor_files.py`, which reads them, and by `all_feeds.py`; all that they
share with rosters is in `provider_feed.py`. Rule: docs/reference/vendor_files.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from d118_pipelines.config.guard_limits import Blackout
from d118_pipelines.config.project import Project
from d118_pipelines.config.provider_types import VendorTable
from d118_pipelines.config.providers import Provider, VendorFileProvider
from d118_pipelines.kernel.guard_rule import GuardRule, verdict
from d118_pipelines.sources.pull import Pull, PullStore
from d118_pipelines.sources.vendor_file.source import FileFacts, read_facts
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed
from d118_pipelines.workflows.runs.feed import PlanPage, RunReport, Shown

EXTRACTS = "extracts"  # the destination of a plan of vendor files


class VendorFileFeed(ProviderFeed):
    """The feed of one provider of vendor files."""

    not_done: ClassVar[str] = "The extract that was there stays the newest."

    @property
    def blackouts(self) -> Sequence[Blackout]:
        """None: they change no roster."""
        return []

    def size(self, plan: StoredPlan) -> str:
        """Rows of all files."""
        return f"{sum(one['rows'] for one in plan.files):,} rows"

    def plan_page(self, plan: StoredPlan, shown: Shown) -> PlanPage:
        """The files with their rows, now and before."""
        return PlanPage(
            against="the extract that was there",
            counts=("Files", plan.files),
            changes=(),
            total=0,
        )

    def report(self) -> RunReport:
        """What was read of each file."""
        state = self.state()
        rows = [
            {"extract": f"raw.{self.name}.{name}", "rows": one["fetched"]}
            | {"left out": one["errors"]}
            for name, one in state.statistics.items()
        ]
        text = f"{self.name}: {state.last_status}. {state.last_error}".rstrip()
        hint = f"See: {state.to_do}" if state.to_do else ""
        return RunReport(state, text, "Files", rows, hint)


def provider_feed(project: Project, provider: Provider) -> ProviderFeed:
    """The feed of a provider, of rosters or of files."""
    is_files = isinstance(provider.model, VendorFileProvider)
    return (VendorFileFeed if is_files else ProviderFeed)(project, provider)


def planned_files(
    provider: str,
    tables: Mapping[str, VendorTable],
    store: PullStore,
    before: Pull | None,
    *,
    run_id: str,
    now: dt.datetime,
) -> StoredPlan:
    """What was written into the store, judged against the pull before it.

    Its hash is that of the files, of what they replace and of the rules that are
    broken, so that an approval holds for nothing else.
    """
    facts = read_facts(store.details)
    rules: list[GuardRule] = []
    files: list[dict[str, Any]] = []
    for name, table in tables.items():
        old = before.collections.get(name) if before else None
        rows, was = store.collections[name].rows, old.rows if old else None
        rules += judge_file(name, table, facts[name], rows=rows, before=was, now=now)
        files.append({"name": name, "file": facts[name].name, "rows": rows, "was": was})
    broken = [rule.code for rule in rules if not rule.passed]
    hashes = {name: one.sha256 for name, one in facts.items()}
    baseline = before.run_id if before else None
    identity = json.dumps([provider, hashes, baseline, broken], sort_keys=True)
    ages = [one.modified for one in facts.values()]
    return StoredPlan(
        id=uuid.uuid4().hex,
        target=provider,
        destination=EXTRACTS,
        plan_hash=hashlib.sha256(identity.encode()).hexdigest(),
        baseline=baseline,
        run_id=run_id,
        verdict=verdict(rules),
        rules=rules,
        counts={"changes": sum(one["rows"] for one in files)},
        files=files,
        folder="",
        demonstration=False,
        data_at=dt.datetime.fromtimestamp(min(ages), dt.UTC),
        created_at=now,
    )


def judge_file(
    name: str,
    table: VendorTable,
    facts: FileFacts,
    *,
    rows: int,
    before: int | None,
    now: dt.datetime,
) -> list[GuardRule]:
    """Whether the file has rows enough, and is young enough.

    rows: that are good. before: in the extract that was there; None for the first.
    """
    usual = max(before or 0, facts.lines)
    lost = 100 * (usual - rows) / usual if usual else 100.0
    enough = GuardRule(
        "guard.file_rows_enough",
        "held",
        bool(rows) and lost <= table.max_drop_percent,
        f"{name} has {rows:,} good rows of {facts.lines:,} in the file, after "
        f"{before or 0:,} in the extract before; {table.max_drop_percent} % may be missing.",
    )
    if table.max_age_hours is None or table.when_late == "report":
        return [enough]
    return [enough, _fresh(name, facts, table.max_age_hours, now)]


def _fresh(name: str, facts: FileFacts, limit: int, now: dt.datetime) -> GuardRule:
    hours = (now.timestamp() - facts.modified) / 3600
    return GuardRule(
        "guard.file_fresh",
        "held",
        hours <= limit,
        f"The file of {name} is {hours:,.0f} hours old; max_age_hours: {limit}.",
    )
