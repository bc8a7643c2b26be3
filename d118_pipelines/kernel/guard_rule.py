"""One rule of a guard and its result; shared by rosters and by file deliveries.

Called by both guards (`roster/planning/guard.py`, `targets/guard.py`) and by whoever
shows their verdict. A broken rule of kind `failed` stops the run for good; one of kind
`held` waits for an approval of exactly this plan; one of kind `waiting` ends by itself,
on a date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["failed", "held", "waiting"]
# out_of_term: there was nothing to make, and nothing may be sent.
Verdict = Literal["ready", "waiting", "held", "failed", "out_of_term"]


@dataclass(frozen=True, slots=True)
class GuardRule:
    """One rule and its result. `code` is stable; `message` has figures and limits."""

    code: str
    kind: Kind
    passed: bool
    message: str

    @property
    def check_name(self) -> str:
        """The name of the asset check: what is true when it passes."""
        return check_name(self.code)


def check_name(code: str) -> str:
    """The name of the asset check that a rule's code has in Dagster."""
    return code.removeprefix("guard.").replace(".", "_")


def verdict(rules: Sequence[GuardRule]) -> Verdict:
    """The gravest kind of the rules that are broken: failed, held, waiting; else ready."""
    kinds = {rule.kind for rule in rules if not rule.passed}
    gravest: tuple[Kind, ...] = ("failed", "held", "waiting")
    return next((kind for kind in gravest if kind in kinds), "ready")
