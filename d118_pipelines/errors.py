"""Every exception that this project raises on purpose, in one tree.

The class decides the exit code and whether a retry makes sense: of a `FatalError`
never, of a `RetriableError` it was tried. Nobody compares message texts. A bad row is
never an exception: it is a finding.
"""

from __future__ import annotations


class D118Error(Exception):
    """Root of the tree. Its text has up to five parts, each on its own line.

    what: what happened, with the rule code first where there is one.
    where: file and line, column, record key, school; never a personal value.
    rule: the rule that was broken, in words.
    not_done: what was *not* done because of it.
    next_step: the command or the edit that goes on from here.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        rule: str = "",
        not_done: str = "",
        next_step: str = "",
    ) -> None:
        self.what = what
        self.where = where
        self.rule = rule
        self.not_done = not_done
        self.next_step = next_step
        labelled = [
            ("Where", where),
            ("Rule", rule),
            ("Not done", not_done),
            ("Next", next_step),
        ]
        # One line each: what others sent cannot add a line of its own.
        lines = [
            what,
            *(f"  {k}: {' '.join(text.splitlines())}" for k, text in labelled if text),
        ]
        super().__init__("\n".join(lines))


class ConfigurationError(D118Error):
    """The configuration is wrong; nothing was started."""

    exit_code = 2


class NoFolderError(ConfigurationError):
    """The folder is no district's."""


class MissingSecretError(ConfigurationError):
    """An environment variable that holds a credential is not set."""


class FatalError(D118Error):
    """A failure that a retry would only repeat."""


class AuthenticationError(FatalError):
    """The other side refused the login."""


class HostKeyError(FatalError):
    """The server's host key is unknown or has changed; no credential was sent."""


class IncompleteExtractError(FatalError):
    """A pull that is empty, incomplete or has other columns than the query promises."""


class QueryError(FatalError):
    """The database refused the statement, or a source file does not fit its table."""


class SourceError(FatalError):
    """A service refused a request for good, or gave an unusable answer."""


class DestinationError(FatalError):
    """The destination refused a file or a folder."""


class MixedSetError(FatalError):
    """Some files of a set were replaced at the destination and some were not."""


class ExportError(FatalError):
    """A set of files is not fit to be sent and cannot be approved."""


class RunTimeError(FatalError):
    """A run took longer than its limit."""


class DatabaseGoneError(FatalError):
    """The state database does not answer."""

    exit_code = 5


class DiskFullError(FatalError):
    """A disk, a quota or a limit on files is full."""

    exit_code = 6


class PermissionDeniedError(FatalError):
    """This account may not read or write a file of the project."""

    exit_code = 7


class RetriableError(D118Error):
    """A failure that may be temporary; raised once the attempts are used up."""

    wait_seconds: float | None = None
    """What the other side asks to wait before the next attempt, if it says so."""


class ConnectionLostError(RetriableError):
    """The connection was refused, cut or reset."""

    exit_code = 8


class TimeLimitError(RetriableError):
    """The other side did not answer within the limit."""


class UnavailableError(RetriableError):
    """The other side answers, but is too busy or broken to serve the request."""


class HeldError(D118Error):
    """The guard holds a plan until a person approves it."""

    exit_code = 3


class WaitingError(D118Error):
    """A plan waits for the end of a blackout. A run that meets it ends well."""

    exit_code = 3


class PausedError(D118Error):
    """A person paused the target or provider; see `d118 pause`."""

    exit_code = 3


class BusyError(D118Error):
    """Another run holds the lease."""

    exit_code = 4
