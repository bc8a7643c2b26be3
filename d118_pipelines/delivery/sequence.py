"""The order in which a set of files is delivered, and what a failure means.

Called by `workflows/targets/file_set.py`: retries and the verdict over the set. Each
step is in `steps.py`, how a destination does its part in `sftp.py` and `folder.py`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Sequence

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.delivery.files import DeliveryReport, FileToSend
from d118_pipelines.delivery.remote import Remote
from d118_pipelines.delivery.steps import Progress, Steps
from d118_pipelines.errors import (
    D118Error,
    DestinationError,
    ExportError,
    MixedSetError,
)
from d118_pipelines.kernel.retry import retried

PAUSES_SECONDS = (1.0, 4.0)
"""Between the attempts; so there are three attempts in all."""


def deliver_set(
    connect: Callable[[], Remote],
    files: Sequence[FileToSend],
    options: DeliveryOptions,
    *,
    now: Callable[[], dt.datetime],
    sleep: Callable[[float], None] = time.sleep,
    on_progress: Progress | None = None,
    pauses_seconds: Sequence[float] = PAUSES_SECONDS,
) -> DeliveryReport:
    """Deliver the files in their order, as one set, and read back what arrived.

    connect: makes a Remote that is not open yet; called once per attempt. now: aware
    time, for the modification times (asked once for them) and for the settling time.
    The times of the n files are n, ..., 2, 1 minutes before it, also after a retry.
    on_progress: called with file name, bytes sent and total bytes.

    With temporary names no file is ever incomplete under its real name: nothing is
    renamed before all files are there and checked. A broken connection is tried again
    with a new one, from where it stopped; a refusal is not, unless the set is replaced
    in part, where a rename that was refused is tried again too.
    Raises: ExportError (nothing contacted); MixedSetError when the set stays replaced
    in part, naming the files; otherwise the error of the last attempt, and then no
    file was replaced, or all were and the text says that they are not verified.
    Source: docs/reference/delivery.md.
    """
    _check_local(files)
    steps = Steps(files, options, now=now, sleep=sleep, on_progress=on_progress)

    def attempt(number: int) -> DeliveryReport:
        with connect() as remote:
            delivered = steps.run(remote)
        return DeliveryReport(delivered, number, steps.read_back)

    def pause(number: int, exc: Exception) -> float | None:
        may_go_on = isinstance(exc, D118Error) and steps.may_go_on_after(exc)
        return pauses_seconds[number - 1] if may_go_on else None

    try:
        return retried(
            attempt, attempts=len(pauses_seconds) + 1, pause=pause, sleep=sleep
        )
    except D118Error as exc:
        if steps.is_mixed:
            raise _mixed(steps, exc) from exc
        if steps.all_final:
            raise _unverified(exc) from exc
        raise


def _check_local(files: Sequence[FileToSend]) -> None:
    """Whether the files are still the ones that were rendered and checked."""
    if not files:
        raise _unfit("A set without files cannot be delivered", "")
    for file in files:
        try:
            with file.path.open("rb") as source:
                sha256 = hashlib.file_digest(source, "sha256").hexdigest()
                size_bytes = source.tell()
        except OSError as exc:
            what = f"A file to send cannot be read: {exc.strerror}"
            raise _unfit(what, str(file.path)) from exc
        if (size_bytes, sha256) != (file.size_bytes, file.sha256):
            what = "A file to send has changed since it was rendered"
            raise _unfit(what, str(file.path))


def _unfit(what: str, where: str) -> ExportError:
    return ExportError(
        what,
        where=where,
        rule="what is sent is what was checked (docs/reference/delivery.md)",
        not_done="nothing was contacted",
        next_step="render the export again",
    )


def _unverified(exc: D118Error) -> D118Error:
    """The same error, saying that the files are there anyway."""
    return type(exc)(
        f"All files were replaced, but not verified. {exc.what}",
        where=exc.where,
        rule=exc.rule,
        not_done="the delivery is not recorded as done",
        next_step=exc.next_step,
    )


def _mixed(steps: Steps, exc: D118Error) -> MixedSetError:
    new, in_doubt, old = steps.states()
    step = (
        "run again soon: it sends the whole set; tell the vendor if the files are imported "
        "before that"
    )
    if isinstance(exc, DestinationError):
        step += f"; {exc.next_step}"
    parts = [
        ("new", new),
        ("uncertain", in_doubt),
        ("as before", old),
    ]
    return MixedSetError(
        f"The set was replaced only in part. {exc.what}",
        where="; ".join(
            f"{state}: {', '.join(names)}" for state, names in parts if names
        ),
        rule="a set of files counts as delivered completely or not at all",
        not_done="the delivery is not recorded as done",
        next_step=step,
    )
