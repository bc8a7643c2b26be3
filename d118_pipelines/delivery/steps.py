"""The steps that deliver one set, and how far they are.

Called by `sequence.py`, which knows how often to try and what to tell a person. The
state here outlives a connection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from itertools import pairwise

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.delivery.files import DeliveredFile, FileToSend
from d118_pipelines.delivery.remote import TAKES_AWAY, Remote
from d118_pipelines.errors import (
    D118Error,
    DestinationError,
    FatalError,
    RetriableError,
)

Progress = Callable[[str, int, int], None]

TEMPORARY_SUFFIX = ".part"
MTIME_STEP_SECONDS = 60
MTIME_GAP_SECONDS = 2.0
"""Between two uploads whose times the server sets: SFTP times are whole seconds."""


class Steps:
    """Delivers one set. Files are done in order, so two counts say how far it is.

    _staged: this many of the first files are uploaded and checked.
    _final: this many of the first files are complete under their real names.
    _in_doubt: the next one may be too; the connection broke before the answer.
    """

    def __init__(
        self,
        files: Sequence[FileToSend],
        options: DeliveryOptions,
        *,
        now: Callable[[], dt.datetime],
        sleep: Callable[[float], None],
        on_progress: Progress | None,
    ) -> None:
        self._files = tuple(files)
        self._options = options.in_force
        self._sizes_told = True
        self._now = now
        self._sleep = sleep
        self._on_progress = on_progress
        self._time: int | None = None
        self._staged = 0
        self._final = 0
        self._in_doubt = False
        self._has_begun = False
        self._first_final: dt.datetime | None = None

    def run(self, remote: Remote) -> tuple[DeliveredFile, ...]:
        """Do the remaining steps and read the set back.

        Raises: DestinationError, ConnectionLostError, TimeLimitError, ExportError.
        """
        if self._options.use_temp_names:
            self._look(remote)
            self._stage(remote)
            self._rename(remote)
        else:
            self._send_directly(remote)
        delivered = self._delivered(remote)
        self._check_settling()
        return delivered

    @property
    def is_mixed(self) -> bool:
        """Whether the destination may have part of the set, or part of a file."""
        if self._in_doubt and not self._options.use_temp_names:
            return True
        count = len(self._files)
        return 0 < self._final < count or (self._in_doubt and count > 1)

    @property
    def all_final(self) -> bool:
        """Whether every file is complete under its real name."""
        return self._final == len(self._files)

    def may_go_on_after(self, exc: D118Error) -> bool:
        """Whether another attempt makes sense after this error."""
        if isinstance(exc, DestinationError):
            half_way = 0 < self._final < len(self._files)
            return half_way and self._options.use_temp_names
        return isinstance(exc, RetriableError)

    def states(self) -> tuple[list[str], list[str], list[str]]:
        """Names of the files that are new, uncertain, and as they were before."""
        names = [file.name for file in self._files]
        doubtful = self._final + int(self._in_doubt)
        return names[: self._final], names[self._final : doubtful], names[doubtful:]

    @property
    def read_back(self) -> tuple[str, ...]:
        """What a finished attempt has confirmed."""
        options = self._options
        mtime = options.ordered_mtimes and options.verify_after_rename
        told = options.removed_on_close and self._sizes_told
        kinds = {"size": options.confirm_size or told, "hash": options.confirm_hash}
        return tuple(kind for kind, on in {**kinds, "mtime": mtime}.items() if on)

    def _look(self, remote: Remote) -> None:
        """Find out what is left of the earlier attempts."""
        if self._options.verify_after_rename:
            for file in self._files:
                remote.stat(file.name)  # raises if a folder is in the way
        if self._in_doubt:
            # Only our rename takes a temporary file away.
            if remote.stat(_temporary(self._files[self._final])) is None:
                self._final += 1
            self._in_doubt = False
        for index in range(self._final, self._staged):
            file = self._files[index]
            found = remote.stat(_temporary(file))
            if found is None or found.size_bytes not in (file.size_bytes, None):
                self._staged = index
                return

    def _stage(self, remote: Remote) -> None:
        """Upload under temporary names, set the times, confirm."""
        missing = list(enumerate(self._files))[self._staged :]
        for index, file in missing:
            self._upload(remote, index, _temporary(file))
        for index, file in missing:
            self._set_mtime(remote, index, _temporary(file))
        for index, file in missing:
            self._confirm(remote, file, _temporary(file))
            self._staged = index + 1

    def _rename(self, remote: Remote) -> None:
        """Rename in order, in immediate succession."""
        for file in self._files[self._final :]:
            self._begin_final()
            self._in_doubt = True
            try:
                remote.replace(_temporary(file), file.name)
            except DestinationError:
                self._in_doubt = False
                raise
            self._final += 1
            self._in_doubt = False

    def _send_directly(self, remote: Remote) -> None:
        """Upload to the real names, each with its time before the next begins."""
        for index, file in list(enumerate(self._files))[self._final :]:
            self._begin_final()
            self._upload_directly(remote, index, file)
            self._set_mtime(remote, index, file.name)
            self._confirm(remote, file, file.name)
            self._final += 1
            self._in_doubt = False

    def _begin_final(self) -> None:
        """Note when the first real name changes, where it matters."""
        if self._options.settle_seconds is not None and self._first_final is None:
            self._first_final = self._now()

    def _check_settling(self) -> None:
        """Whether the vendor can have read a set that was half replaced."""
        limit = self._options.settle_seconds
        if limit is None or self._first_final is None:
            return
        seconds = (self._now() - self._first_final).total_seconds()
        if seconds > limit:
            raise DestinationError(
                f"The set took {seconds:.0f} s to be replaced, the vendor reads it "
                f"{limit:g} s after the last activity.",
                rule="a set is replaced before the vendor reads it "
                "(docs/reference/delivery.md)",
                not_done="the delivery is not recorded as done",
                next_step="run again: it sends the whole set; look at the vendor's report "
                "of this day",
            )

    def _upload_directly(self, remote: Remote, index: int, file: FileToSend) -> None:
        was_in_doubt, self._in_doubt = self._in_doubt, True
        self._has_begun = False
        try:
            size = self._upload(remote, index, file.name)
        except FatalError:
            # Refused before the file was opened: it is what it was.
            self._in_doubt = was_in_doubt or self._has_begun
            raise
        if self._options.removed_on_close and size is not None:
            _check_size(file, file.name, size)
        self._sizes_told &= size is not None

    def _upload(self, remote: Remote, index: int, name: str) -> int | None:
        file = self._files[index]
        if index > 0 and self._options.ordered_mtimes and not self._options.set_mtime:
            self._sleep(MTIME_GAP_SECONDS)

        def on_bytes(sent: int) -> None:
            self._has_begun = True
            if self._on_progress is not None:
                self._on_progress(file.name, sent, file.size_bytes)

        return remote.put(file.path, name, on_bytes)

    def _set_mtime(self, remote: Remote, index: int, name: str) -> None:
        if not self._options.set_mtime:
            return
        if self._time is None:
            self._time = int(self._now().timestamp())
        steps = len(self._files) - index
        remote.set_mtime(name, self._time - MTIME_STEP_SECONDS * steps)

    def _confirm(self, remote: Remote, file: FileToSend, name: str) -> None:
        if self._options.confirm_size:
            found = remote.stat(name)
            if found is None:
                raise _gone(name)
            _check_size(file, name, found.size_bytes)
        if self._options.confirm_hash and remote.sha256(name) != file.sha256:
            raise _differs(f"{name} has other bytes at the destination than here")

    def _delivered(self, remote: Remote) -> tuple[DeliveredFile, ...]:
        """Look at the final names, unless the server takes files away at once."""
        options = self._options
        if not options.verify_after_rename:
            return tuple(_delivered(file, None) for file in self._files)
        delivered = []
        for file in self._files:
            found = remote.stat(file.name)
            if found is None:
                raise _gone(file.name)
            if options.confirm_size:
                _check_size(file, file.name, found.size_bytes)
            delivered.append(_delivered(file, found.mtime_seconds))
        if options.ordered_mtimes:
            _check_order(delivered)
        return tuple(delivered)


def _temporary(file: FileToSend) -> str:
    return file.name + TEMPORARY_SUFFIX


def _delivered(file: FileToSend, mtime_seconds: int | None) -> DeliveredFile:
    modified_at = None
    if mtime_seconds is not None:
        modified_at = dt.datetime.fromtimestamp(mtime_seconds, dt.UTC)
    return DeliveredFile(file.name, file.size_bytes, file.sha256, modified_at)


def _check_size(file: FileToSend, name: str, size_bytes: int | None) -> None:
    if size_bytes is None:
        raise _differs(f"the destination does not tell the size of {name}")
    if size_bytes != file.size_bytes:
        raise _differs(
            f"{name} has {size_bytes} bytes at the destination, {file.size_bytes} here"
        )


def _check_order(delivered: Sequence[DeliveredFile]) -> None:
    for earlier, later in pairwise(delivered):
        if earlier.modified_at is None or later.modified_at is None:
            raise _differs("the destination does not report modification times")
        if earlier.modified_at >= later.modified_at:
            raise _differs(f"{later.name} is not newer than {earlier.name}")


def _gone(name: str) -> DestinationError:
    return _differs(f"{name} is not there after its upload")


def _differs(what: str) -> DestinationError:
    return DestinationError(
        f"The files did not arrive as they were sent: {what}",
        rule="a delivery counts when size, hash and order were read back "
        "(docs/reference/delivery.md)",
        not_done="the delivery is not recorded as done",
        next_step="run again; if it happens again, ask the vendor what removes or changes "
        f"files; {TAKES_AWAY}",
    )
