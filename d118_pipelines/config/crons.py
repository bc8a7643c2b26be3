"""When something runs: presets and cron expressions, one or several.

Called by `providers.py` and `targets/model.py`, whose key `schedule` this is. Rule:
docs/reference/schedules.md.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from d118_pipelines.kernel.clock import is_cron

PRESETS = {
    "hourly": "0 * * * *",
    "every-6-hours": "0 */6 * * *",
    "twice-daily": "0 2,14 * * *",
    "daily": "0 2 * * *",
    "weekdays": "0 6 * * 1-5",
    "weekly": "0 0 * * 0",
}


def cron_of(text: str) -> str:
    """The cron expression of a preset's name, or the expression itself.

    Raises: ValueError listing the presets.
    """
    cron = PRESETS.get(text, text)
    if not is_cron(cron):
        known = ", ".join(PRESETS)
        raise ValueError(f"{text} is neither a cron expression nor one of: {known}")
    return cron


def crons_of(value: object) -> list[str]:
    """The expressions of one text, of a list of them, or none of null; each one once.

    Raises: ValueError as `cron_of`, and for a value that is no text.
    """
    texts = [] if value is None else value if isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"{text} is no text: name a preset or a cron expression")
    return list(dict.fromkeys(map(cron_of, texts)))


def crons_shown(crons: list[str]) -> str | None:
    """The expressions on one line, as `sis_providers` and the JSON forms have them."""
    return "; ".join(crons) or None


Crons = Annotated[list[str], BeforeValidator(crons_of), Field(max_length=24)]
