"""`LOG_LEVEL`: how much the project's own loggers say.

Set where a process begins its work: `cli/app.py`, `resources.py`. At `debug` they add
requests, rows and times of SQL, on standard error; never values, never secrets. Rule:
docs/reference/schedules.md, section 7.
"""

from __future__ import annotations

import logging
import os
import sys

from d118_pipelines.errors import ConfigurationError

VARIABLE = "LOG_LEVEL"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
own = logging.getLogger("d118_pipelines")
"""The logger of everything that is not a step of a run."""


def log_level() -> int:
    """The level that LOG_LEVEL names. Raises: ConfigurationError for another word."""
    word = os.environ.get(VARIABLE) or "info"
    if word.lower() not in LEVELS:
        raise ConfigurationError(
            f"{VARIABLE} is {word[:20]}, and must be one of: {', '.join(LEVELS)}.",
            not_done="Nothing was started.",
            next_step=f"Correct {VARIABLE} in .env, or remove it.",
        )
    return LEVELS[word.lower()]


def set_log_level() -> None:
    """Let the project's logger say what LOG_LEVEL asks for. Raises: ConfigurationError."""
    level = log_level()
    own.setLevel(level)
    for handler in list(own.handlers):
        own.removeHandler(handler)
    own.propagate = level > logging.DEBUG
    if level == logging.DEBUG:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s  debug  %(message)s"))
        own.addHandler(handler)


def is_debugged() -> bool:
    """Whether anybody reads debug lines; asked before one is made."""
    return own.isEnabledFor(logging.DEBUG)
