"""The console logger: one line per thing that a person wants to know, no stack traces.

The full record of a run is in Dagster's history; this is what a shell shows.
"""

import datetime as dt
import logging
import re
import sys
from contextlib import suppress

import dagster as dg

from d118_pipelines.config.project import Project
from d118_pipelines.errors import D118Error
from d118_pipelines.instance import NOT_EXECUTED, step_failure
from d118_pipelines.kernel.log_level import own
from d118_pipelines.kernel.text import printable
from d118_pipelines.workflows.runs.run_history import STOPPED

_brief = False


def be_brief(is_brief: bool) -> None:
    """Whether a failed step shows its code alone: the command says the rest at its end."""
    global _brief
    _brief = is_brief


_SHOWN_EVENTS = {
    "STEP_START",
    "ASSET_MATERIALIZATION",
    "STEP_FAILURE",
    "RUN_SUCCESS",
    "RUN_CANCELED",
}


@dg.logger({}, "One short line per step, file and problem.")
def console_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """A logger that writes to standard error: time, step, message."""
    logger = logging.Logger("d118.console", logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_worth_showing)
    handler.setFormatter(_LineFormatter(_zone()))
    logger.addHandler(handler)
    return logger


def _is_worth_showing(record: logging.LogRecord) -> bool:
    event = _event(record)
    level = own.getEffectiveLevel()
    if event is None:
        return record.levelno >= level
    if event.event_type_value == "ASSET_CHECK_EVALUATION":
        # A blocking one ends its step, whose message says the same.
        data = event.asset_check_evaluation_data
        return not data.passed and not data.blocking
    is_bad = event.event_type_value == "STEP_FAILURE"
    return event.event_type_value in _SHOWN_EVENTS and (is_bad or level <= logging.INFO)


def _zone() -> dt.tzinfo | None:
    """The district's; this machine's where the district cannot be read."""
    with suppress(D118Error):
        return Project.here().district().zone
    return None


class _LineFormatter(logging.Formatter):
    def __init__(self, zone: dt.tzinfo | None) -> None:
        super().__init__()
        self._zone = zone

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        where = (meta.get("step_key") or "run").replace("__", "/")
        at = f"{dt.datetime.fromtimestamp(record.created, self._zone):%H:%M:%S}"
        # Further lines are moved in, so that no text makes a line that looks like ours.
        text = printable(_text(record, meta)).replace("\n", "\n  ")
        return f"{at}  {where:<38}  {text}"


def _text(record: logging.LogRecord, meta: dict[str, object]) -> str:
    event = _event(record)
    if event is None:
        text = str(meta.get("orig_message") or record.getMessage())
        if text.startswith(NOT_EXECUTED):
            found = dict.fromkeys(re.findall(r"'(\w+)'", text))
            steps = ", ".join(found).replace("__", "/")
            return f"not run, because {steps} was held, failed or not run"
        return text
    kind = event.event_type_value
    if kind == "STEP_START":
        return "begins"
    if kind == "ASSET_MATERIALIZATION":
        name = event.asset_key.to_user_string() if event.asset_key else ""
        return f"{_made(event, name)} {name}{_rows(event)}"
    if kind == "ASSET_CHECK_EVALUATION":
        data = event.asset_check_evaluation_data
        return f"NOT {data.check_name}: {data.description}"
    if kind == "STEP_FAILURE":
        return _failure(event)
    return {"RUN_SUCCESS": "done", "RUN_CANCELED": "canceled"}[kind]


def _failure(event: dg.DagsterEvent) -> str:
    """Our own message, or the class of an unexpected error.

    Such an error's text could name people; the run's page has it.
    """
    failure, error = step_failure(event), event.step_failure_data.error
    if failure.error == STOPPED:
        return "interrupted"
    if failure.text:
        return failure.text.split("  ")[0] if _brief else failure.text
    cause = error.cause if error and error.cause else error
    name = cause.cls_name if cause else "no reason given"
    return f"FAILED unexpectedly ({name}): see the run's page, make ui"


def _made(event: dg.DagsterEvent, name: str) -> str:
    """What the guard refuses is there, and goes nowhere."""
    found = event.materialization.metadata.get("verdict")
    if found is None or found.value not in ("held", "failed", "waiting"):
        return "made"
    return f"prepared, not {'applied' if name.startswith('roster') else 'sent'}:"


def _rows(event: dg.DagsterEvent) -> str:
    found = event.materialization.metadata.get("dagster/row_count")
    return f", {found.value:,} rows" if found is not None else ""


def _event(record: logging.LogRecord) -> dg.DagsterEvent | None:
    return getattr(record, "dagster_meta", {}).get("dagster_event")
