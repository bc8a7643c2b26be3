"""Logging in to a server whose host key is verified, in the one configured way.

Called by `session.py`; the formats of private keys are in `keys.py`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from d118_pipelines.errors import AuthenticationError
from d118_pipelines.ssh.calls import NOTHING_SENT, lost, too_late

if TYPE_CHECKING:
    import paramiko

    from d118_pipelines.ssh.settings import SftpSettings


def log_in(
    transport: paramiko.Transport, settings: SftpSettings, key: paramiko.PKey | None
) -> None:
    """Try the one way to log in that is configured, and no other.

    Raises: AuthenticationError (final), ConnectionLostError, TimeLimitError.
    paramiko calls a cut, a late answer and a refusal alike an authentication failure
    where it waits by itself; with an event of ours the three can be told apart.
    """
    import paramiko

    done = threading.Event()
    limit = settings.channel_timeout_seconds
    try:
        if key is not None:
            transport.auth_publickey(settings.username, key, done)
        else:
            transport.auth_password(settings.username, settings.password or "", done)
    except (paramiko.SSHException, EOFError, OSError):
        raise lost(settings, "during the login") from None
    if not done.wait(limit):
        raise too_late(settings, "answer the login", limit)
    if transport.is_authenticated():
        return
    failure = transport.get_exception()
    if _is_cut(transport, failure):
        raise lost(settings, "during the login")
    if isinstance(failure, paramiko.BadAuthenticationType):
        asks = "keyboard-interactive" in failure.allowed_types
        if asks and settings.password is not None:
            _answer_with_password(transport, settings, settings.password)
            return
    raise _refused(settings, failure)


def _is_cut(transport: paramiko.Transport, failure: Exception | None) -> bool:
    """Whether the login ended without any answer.

    After a refusal the exception is None or of the authentication; so it is after an
    orderly good-bye. Where the server hangs up right after its refusal, the handler
    tells: it forgets the name with the answer.
    """
    import paramiko

    if failure is None or isinstance(failure, paramiko.AuthenticationException):
        return False
    handler = transport.auth_handler
    return handler is None or handler.username is not None


def _answer_with_password(
    transport: paramiko.Transport, settings: SftpSettings, password: str
) -> None:
    """Some servers take the same password only as the answer to a question.

    Whatever goes wrong here counts as a refusal: another attempt could lock the
    account.
    """
    import paramiko

    transport.auth_timeout = settings.channel_timeout_seconds
    try:
        transport.auth_interactive(
            settings.username, lambda title, text, fields: [password for _ in fields]
        )
    except paramiko.AuthenticationException as exc:
        raise _refused(settings, exc) from None
    except (paramiko.SSHException, EOFError, OSError):
        raise lost(settings, "during the login") from None
    if not transport.is_authenticated():
        raise _refused(settings, paramiko.ssh_exception.PartialAuthentication([]))


def _refused(settings: SftpSettings, failure: Exception | None) -> AuthenticationError:
    import paramiko

    way = "the key" if settings.password is None else "the user name and password"
    what = f"The server of {settings.describe} refused {way}"
    if isinstance(failure, paramiko.ssh_exception.PartialAuthentication):
        what = f"The server of {settings.describe} wants more than {way}"
    elif isinstance(failure, paramiko.BadAuthenticationType):
        what = f"The server of {settings.describe} does not allow a login with {way}"
    return AuthenticationError(
        what,
        where=settings.where,
        rule="a refused login is not tried again, so that no account gets locked",
        not_done=NOTHING_SENT,
        next_step=f"check {settings.describe_login} with the vendor",
    )
