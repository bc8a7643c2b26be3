"""The edge between the domain and Dagster: errors become failures without secrets.

Called by every asset, job and sensor. The errors are in `errors.py`, what the console
shows in `loggers.py`.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from d118_pipelines.errors import D118Error, HeldError, WaitingError
from d118_pipelines.kernel.outages import NamedOutages
from d118_pipelines.kernel.text import printable
from d118_pipelines.workflows.runs.run import Run

Context = dg.AssetExecutionContext | dg.OpExecutionContext


class Stopped(dg.Failure):
    """A step that ends with a text of ours."""


# The UI writes module and class before the text: "Stopped: HELD guard. ..." reads well.
Stopped.__module__ = "builtins"


@contextmanager
def reported(
    context: Context | None = None, more: Mapping[str, dg.MetadataValue] | None = None
) -> Iterator[None]:
    """Turn any exception of the block into a `Stopped` that is safe to store.

    The project's own errors are shown as they are, with `more` metadata. Of every other
    one only the class and the places are shown: its text may carry a person's data. A
    hold is no crash: the run of `context` then has the tag `sis/verdict: held`.
    """
    try:
        with NamedOutages():
            yield
    except D118Error as exc:
        if context is not None and isinstance(exc, HeldError):
            context.instance.add_run_tags(context.run.run_id, {"sis/verdict": "held"})
        failure = Stopped(
            description=printable(str(exc)),
            metadata={
                **(more or {}),
                "error": type(exc).__name__,
                "exit_code": exc.exit_code,
            },
            allow_retries=False,
        )
    except Exception as exc:  # noqa: BLE001 (the boundary: nothing unknown may be stored)
        failure = Stopped(
            description=f"FAILED internal.{type(exc).__name__}  {_places()}\n"
            "  Not done: the rest of this step; nothing was sent by it.\n"
            "  Next: report this line; what led to it: d118 runs show",
            metadata={"error": type(exc).__name__},
            allow_retries=False,
        )
    else:
        return
    # Without the first exception: Dagster stores its text with the failure's.
    raise failure from None


def waits(
    context: dg.AssetExecutionContext, run: Run, name: str, stopped: WaitingError
) -> None:
    """Let the run end well, with `waiting: <reason> until <date>` in its tag."""
    text = printable(stopped.what)
    context.instance.add_run_tags(context.run.run_id, {"sis/verdict": text})
    context.log.warning(f"{text}. {stopped.not_done}")
    run.note(name, 100, text)


def _places() -> str:
    """File, line and function of the current exception, innermost last."""
    frames = traceback.extract_tb(sys.exc_info()[2])[1:]
    return " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)
