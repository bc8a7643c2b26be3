"""The edge between the domain and Dagster: errors become failures without secrets.

Called by every asset, job and sensor. The errors are in `errors.py`, what the console shows
in `loggers.py`.
"""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.outages import NamedOutages


@contextmanager
def reported() -> Iterator[None]:
    """Turn any exception of the block into a `dg.Failure` that is safe to store.

    The project's own errors are shown as they are. Of every other one only the class
    and the places are shown: its text may carry a person's data.
    """
    try:
        with NamedOutages():
            yield
    except D118Error as exc:
        failure = dg.Failure(
            description=str(exc),
            metadata={"error": type(exc).__name__, "exit_code": exc.exit_code},
            allow_retries=False,
        )
    except Exception as exc:  # noqa: BLE001 (the boundary: nothing unknown may be stored)
        failure = dg.Failure(
            description=f"FAILED internal.{type(exc).__name__}\n  Where: {_places()}\n"
            "  Not done: the rest of this step; nothing was sent by it.\n"
            "  Next: report this with the lines above.",
            metadata={"error": type(exc).__name__},
            allow_retries=False,
        )
    else:
        return
    # Without the first exception: Dagster stores its text with the failure's.
    raise failure from None


def _places() -> str:
    """File, line and function of the current exception, innermost last."""
    frames = traceback.extract_tb(sys.exc_info()[2])[1:]
    return " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)
