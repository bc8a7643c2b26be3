"""How a target or provider stands: one word, since when, why, and the command to go on.

Called by `target_feed.py` and `provider_feed.py`; what came of the newest run is in
`run_history.py`. Page: docs/reference/delivery.md, section 8.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from d118_pipelines.config.quarantine import STATE
from d118_pipelines.kernel.clock import day_time, local_time
from d118_pipelines.state.pauses import ALL, Pause
from d118_pipelines.state.plans import Approval, StoredPlan
from d118_pipelines.workflows.runs.run_history import INTERRUPTED, KILLED, PastRun

TO_CORRECT = "Correct it, then: d118 doctor"
CANNOT_LOOK = "cannot look for files"
WAITING = "waiting"
_PREFIX = {"late": "due ", "released": "until ", "paused": "until "}
CAUSES = {
    "failed": 1,
    "late": 1,
    "never": 1,
    CANNOT_LOOK: 1,
    STATE: 1,
    "held": 3,
    "released": 3,
    "paused": 3,
}
"""State -> what `d118 status --check` exits with; all others are well."""


@dataclass(frozen=True, slots=True)
class Standing:
    """state: delivered, applied, late, held, released, failed, running, paused, never,
    out of term, not sent, waiting. when: of the newest run or delivery; of late, the deadline;
    of released and paused, the end. reason: one line. to_do: empty where all is well.
    """

    state: str
    when: dt.datetime | None
    reason: str = ""
    to_do: str = ""

    @property
    def exit_code(self) -> int:
        """What it means for `d118 status --check`: 0, 1 or 3."""
        return CAUSES.get(self.state, 0)

    @property
    def why(self) -> str:
        """The reason without the word of the state, with which a step's text begins."""
        return self.reason.removeprefix(f"{self.state.upper()} ").strip()

    def row(self, kind: str, name: str, now: dt.datetime) -> Mapping[str, Any]:
        """One line of `d118 status`. kind: the heading, target or provider."""
        when = day_time(self.when, now)
        return {
            kind: name,
            "state": self.state,
            "when": f"{_PREFIX.get(self.state, '')}{when}",
            "what to do": "\n".join(part for part in (self.why, self.to_do) if part),
        }


def standing(
    name: str,
    *,
    run: PastRun | None,
    approval: Approval | None,
    pause: Pause | None,
    zone: ZoneInfo,
    good_at: dt.datetime | None,
    due: dt.datetime | None = None,
    on_time_from: dt.datetime | None = None,
) -> Standing:
    """How it stands, by its newest run.

    good_at: when it last delivered or applied. due: the last deadline, and from when a
    delivery counts for it; None without a schedule.
    """

    def local(moment: dt.datetime | None) -> dt.datetime | None:
        return moment.astimezone(zone) if moment else None

    if pause is not None:
        whom = "--all" if pause.name == ALL else name
        return Standing(
            "paused", local(pause.until), pause.reason, f"d118 resume {whom}"
        )
    if run is None:
        return Standing("never", None, "", f"d118 run {name}")
    ended = local(run.ended or run.started)
    if run.outcome == "running":
        to_do = f"at work: d118 runs show {run.run_id[:8]}"
        return Standing("running", local(run.started), "", to_do)
    if run.outcome in ("held", WAITING) and approval is not None:
        return Standing("released", local(approval.expires_at), "", f"d118 run {name}")
    if run.outcome == "held":
        return Standing("held", ended, run.reason, f"d118 plan {name}")
    if run.outcome in ("failed", "cancelled"):
        return Standing("failed", ended, run.reason, _way_on(name, run))
    if run.outcome == "out of term":
        text = run.reason or "No term is current; nothing is sent."
        return Standing("out of term", ended, text)
    if run.outcome == "not sent":
        return Standing("not sent", ended, "", f"d118 run {name}")
    is_of_now = on_time_from is None or (run.ended or run.started) >= on_time_from
    if run.outcome == WAITING and is_of_now:
        return Standing(WAITING, ended, run.reason)
    if good_at is None:
        return Standing("never", None, "", f"d118 run {name}")
    if due is not None and on_time_from is not None and good_at < on_time_from:
        text = f"Last delivered {local_time(good_at, zone)}."
        return Standing("late", local(due), text, f"d118 runs --target {name}")
    return Standing(
        "delivered" if run.outcome == "done" else run.outcome, local(good_at)
    )


def _way_on(name: str, run: PastRun) -> str:
    if run.next_step:
        return run.next_step
    if run.reason.startswith((KILLED, INTERRUPTED)) or run.outcome == "cancelled":
        return f"d118 run {name}"
    if run.plan_hash:
        return f"d118 findings {name}; d118 runs show {run.run_id[:8]}"
    return f"d118 runs show {run.run_id[:8]}"


def plan_text(
    plan: StoredPlan | None, run: PastRun | None, approval: Approval | None
) -> str:
    """The newest plan and what became of it: its hash, and held, released, delivered ..."""
    if plan is None:
        return ""
    outcome = run.outcome if run and run.run_id == plan.run_id else plan.verdict
    if outcome in ("held", WAITING) and approval is not None:
        outcome = "released"
    return f"{plan.plan_hash[:8]} {outcome}".strip()
