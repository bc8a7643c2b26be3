"""How long a run may take: `limits` of a provider or a target; how many run at a time.

Read with `providers.py` and `targets/model.py`. Rule: docs/reference/schedules.md,
sections 3 and 4.
"""

from __future__ import annotations

import os
from typing import Self

from pydantic import Field, model_validator

from d118_pipelines.config.yaml_files import Model
from d118_pipelines.errors import ConfigurationError

AT_A_TIME_VARIABLE = "MAX_CONCURRENT_SYNCS"
DEFAULT_AT_A_TIME = 2


class RunLimits(Model):
    """Seconds after which a run stops itself, and after which its process is ended."""

    run_seconds: int = Field(default=3600, ge=2, le=86_400)
    soft_seconds: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _soft_before_hard(self) -> Self:
        if self.soft_seconds is not None and self.soft_seconds >= self.run_seconds:
            raise ValueError("soft_seconds must be smaller than run_seconds")
        return self

    @property
    def stops_after(self) -> int:
        """The soft limit: 3,300 of 3,600 seconds, and as much of any other limit."""
        return self.soft_seconds or max(1, self.run_seconds * 11 // 12)


def runs_at_a_time() -> int:
    """How many runs of a district may be at work. Raises: ConfigurationError."""
    text = os.environ.get(AT_A_TIME_VARIABLE) or str(DEFAULT_AT_A_TIME)
    if not text.isdecimal() or not int(text):
        raise ConfigurationError(
            f"{AT_A_TIME_VARIABLE} is {text[:20]}, and must be a number from 1 on.",
            not_done="Nothing was started.",
            next_step=f"Correct {AT_A_TIME_VARIABLE} in .env, or remove it.",
        )
    return int(text)
