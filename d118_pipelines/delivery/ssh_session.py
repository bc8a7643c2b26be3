"""From an address to a logged-in SSH connection, in the one safe order.

Belongs here: connect, exchange keys, check the host key, and only then log in. Not
here: files (`sftp.py`), the known_hosts format, the key formats.
"""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING

from d118_pipelines.delivery import known_hosts
from d118_pipelines.delivery.keys import load_private_key
from d118_pipelines.errors import (
    AuthenticationError,
    ConnectionLostError,
    DestinationError,
    TimeLimitError,
)

if TYPE_CHECKING:
    import paramiko

    from d118_pipelines.delivery.sftp import SftpSettings

LOG_NAME = f"{__name__}.paramiko"
# What paramiko logs is raised here as an error too; without a handler of the
# operator it must not end up on the standard error stream as a traceback.
logging.getLogger(LOG_NAME).addHandler(logging.NullHandler())

NOT_DONE = "no file was sent over this connection"


def open_transport(settings: SftpSettings) -> paramiko.Transport:
    """Connect, verify the host key and log in; the caller closes the transport.

    Raises: ConfigurationError (known_hosts, key file: before anything is contacted),
    HostKeyError (before any credential is sent), AuthenticationError,
    DestinationError (no algorithm in common), ConnectionLostError, TimeLimitError.
    """
    entries = known_hosts.read_known_hosts(settings.known_hosts, settings.address)
    key = None
    if settings.key_file is not None:
        key = load_private_key(settings.key_file, settings.key_passphrase)
    transport = _transport(_connect(settings), settings, entries)
    try:
        _exchange_keys(transport, settings)
        _verify(transport, settings, entries)
        _log_in(transport, settings, key)
    except BaseException:
        transport.close()
        raise
    return transport


def _connect(settings: SftpSettings) -> socket.socket:
    address = settings.address
    limit = settings.connect_timeout_seconds
    try:
        return socket.create_connection((address.host, address.port), limit)
    except TimeoutError:
        raise _too_late(settings, "accept the connection", limit) from None
    except OSError as exc:
        raise ConnectionLostError(
            f"The server of {settings.describe} cannot be reached: {exc.strerror}",
            where=settings.where,
            not_done=NOT_DONE,
            next_step=f"check {settings.describe}, the network and the firewall",
        ) from None


def _transport(
    sock: socket.socket,
    settings: SftpSettings,
    entries: list[known_hosts.KnownHost],
) -> paramiko.Transport:
    """Asks for the types of key that known_hosts has before all others."""
    transport = _transport_class(settings.allow_ssh_rsa)(sock)
    transport.set_log_channel(LOG_NAME)
    # The waiting below ends first and can tell a silent server from a cut.
    transport.banner_timeout = settings.connect_timeout_seconds * 2
    transport.handshake_timeout = settings.connect_timeout_seconds * 2
    known = known_hosts.key_types(entries, settings.address)
    options = transport.get_security_options()
    allowed = [name for name in options.key_types if name != "ssh-rsa"]
    if settings.allow_ssh_rsa:
        allowed.append("ssh-rsa")
    options.key_types = sorted(allowed, key=lambda name: _key_type(name) not in known)
    return transport


def _key_type(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _transport_class(allow_ssh_rsa: bool) -> type[paramiko.Transport]:
    """paramiko's own, or one that also checks the old RSA signatures with SHA-1."""
    import paramiko
    from cryptography.hazmat.primitives import hashes

    if not allow_ssh_rsa:
        return paramiko.Transport

    class Sha1RSAKey(paramiko.RSAKey):
        HASHES = {  # type: ignore[misc]  # noqa: RUF012
            **paramiko.RSAKey.HASHES,
            "ssh-rsa": hashes.SHA1,
        }

    class OldTransport(paramiko.Transport):
        # paramiko 5 has no public way to add an algorithm.
        _key_info = {  # noqa: RUF012
            **paramiko.Transport._key_info,  # type: ignore[attr-defined]
            "ssh-rsa": Sha1RSAKey,
        }

    return OldTransport


def _exchange_keys(transport: paramiko.Transport, settings: SftpSettings) -> None:
    import paramiko

    done = threading.Event()
    limit = settings.connect_timeout_seconds
    transport.start_client(event=done)
    if not done.wait(limit):
        raise _too_late(settings, "introduce itself as an SSH server", limit)
    if transport.is_active():
        return
    if isinstance(transport.get_exception(), paramiko.ssh_exception.IncompatiblePeer):
        raise DestinationError(
            f"The server of {settings.describe} offers no algorithm that is allowed",
            where=settings.where,
            rule="ssh-rsa (SHA-1) host keys are off unless the target allows them",
            not_done=known_hosts.NOT_DONE,
            next_step="ask the vendor for current algorithms; for a server with only "
            "ssh-rsa host keys set allow_ssh_rsa: true in the target",
        )
    raise _lost(settings, "before the host key was verified")


def _verify(
    transport: paramiko.Transport,
    settings: SftpSettings,
    entries: list[known_hosts.KnownHost],
) -> None:
    import paramiko

    try:
        key = transport.get_remote_server_key()
    except paramiko.SSHException:
        raise _lost(settings, "before the host key was verified") from None
    known_hosts.verify_host_key(
        entries,
        path=settings.known_hosts,
        address=settings.address,
        describe=settings.describe,
        key_type=key.get_name(),
        key=key.asbytes(),
    )


def _log_in(
    transport: paramiko.Transport, settings: SftpSettings, key: paramiko.PKey | None
) -> None:
    """Try the one way to log in that is configured, and no other.

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
        raise _lost(settings, "during the login") from None
    if not done.wait(limit):
        raise _too_late(settings, "answer the login", limit)
    if transport.is_authenticated():
        return
    failure = transport.get_exception()
    if not isinstance(failure, paramiko.AuthenticationException):
        raise _lost(settings, "during the login")
    raise _refused(settings, failure)


def _refused(
    settings: SftpSettings, failure: paramiko.AuthenticationException
) -> AuthenticationError:
    import paramiko

    way = "the key" if settings.key_file is not None else "the user name and password"
    what = f"The server of {settings.describe} refused {way}"
    if isinstance(failure, paramiko.ssh_exception.PartialAuthentication):
        what = f"The server of {settings.describe} wants more than {way}"
    elif isinstance(failure, paramiko.BadAuthenticationType):
        what = f"The server of {settings.describe} does not allow a login with {way}"
    return AuthenticationError(
        what,
        where=settings.where,
        rule="a refused login is not tried again, so that no account gets locked",
        not_done=NOT_DONE,
        next_step=f"check {settings.describe_login} with the vendor",
    )


def _too_late(settings: SftpSettings, action: str, limit: float) -> TimeLimitError:
    return TimeLimitError(
        f"The server of {settings.describe} did not {action} within {limit:g} s",
        where=settings.where,
        not_done=NOT_DONE,
        next_step="run again later; if it stays, ask the vendor",
    )


def _lost(settings: SftpSettings, moment: str) -> ConnectionLostError:
    return ConnectionLostError(
        f"The server of {settings.describe} ended the connection {moment}",
        where=settings.where,
        not_done=NOT_DONE,
        next_step="run again later; if it stays, ask the vendor",
    )
