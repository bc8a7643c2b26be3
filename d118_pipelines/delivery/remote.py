"""What a destination can do: the protocol that SFTP and a local folder both keep.

Called by `steps.py`; kept by `sftp.py` and `folder.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol, Self

TAKES_AWAY = (
    "for a server that takes files away at once, set verify_after_rename: false in the "
    "target; if it takes .part files too, removed_on_close: true (or use_temp_names, "
    "confirm_size and confirm_hash: false)"
)
"""What helps where a file is gone, or empty, as soon as it was written."""


class FileStat(NamedTuple):
    """Size and modification time (epoch seconds); None where the server is silent."""

    size_bytes: int | None
    mtime_seconds: int | None


class Remote(Protocol):
    """One folder at a destination, open between `__enter__` and `__exit__`.

    Names are plain file names inside that folder. Every call raises
    DestinationError when the destination refuses it (final), and ConnectionLostError
    or TimeLimitError when the connection failed (worth a fresh connection; the object
    is then of no further use). `__enter__` also raises ConfigurationError,
    AuthenticationError and HostKeyError. `__exit__` raises nothing.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def put(
        self, local: Path, name: str, on_bytes: Callable[[int], None]
    ) -> int | None:
        """Write the local file to `name`, replacing what is there, byte by byte.

        on_bytes: called with 0 once `name` is open (and so empty), then with the
        number of bytes sent so far. Returns the size that the destination tells before
        the file is closed; None where it does not.
        Raises: also ExportError when the local file cannot be read.
        """

    def stat(self, name: str) -> FileStat | None:
        """Size and time of a file, None if there is none. A folder is an error."""

    def set_mtime(self, name: str, mtime_seconds: int) -> None:
        """Set the modification time, in seconds since 1970 UTC."""

    def replace(self, old: str, new: str) -> None:
        """Rename `old` to `new`, in place of a file that is there."""

    def remove(self, name: str) -> None:
        """Delete a file."""

    def sha256(self, name: str) -> str:
        """Read the file back and return its SHA-256, 64 hexadecimal digits."""

    def listing(self) -> list[str]:
        """Names of all entries of the folder, sorted."""
