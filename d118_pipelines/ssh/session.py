"""From an address to a logged-in SSH connection: host key first, then the login.

Called by `folder.py`; the login is in `login.py`, the host keys are in
`known_hosts.py`.
"""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConnectionLostError, DestinationError
from d118_pipelines.ssh import known_hosts
from d118_pipelines.ssh.calls import NOTHING_SENT, lost, too_late
from d118_pipelines.ssh.keys import load_private_key, parse_private_key
from d118_pipelines.ssh.login import log_in

if TYPE_CHECKING:
    import paramiko

    from d118_pipelines.ssh.settings import SftpSettings

LOG_NAME = f"{__name__}.paramiko"
# What paramiko logs is raised here as an error too; without a handler of the
# operator it must not end up on the standard error stream as a traceback.
logging.getLogger(LOG_NAME).addHandler(logging.NullHandler())
# Its debug lines hold the server's paths and texts, and so often the account's name.
logging.getLogger(LOG_NAME).setLevel(logging.INFO)


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
    elif settings.key_text is not None:
        where = f"the private key of {settings.describe_login}"
        key = parse_private_key(
            settings.key_text.encode(), where, settings.key_passphrase
        )
    transport = _transport(_connect(settings), settings, entries)
    try:
        _exchange_keys(transport, settings)
        _verify(transport, settings, entries)
        log_in(transport, settings, key)
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
        raise too_late(settings, "accept the connection", limit) from None
    except OSError as exc:
        raise ConnectionLostError(
            f"The server of {settings.describe} cannot be reached: "
            f"{exc.strerror or 'no address found'}",
            where=settings.where,
            not_done=NOTHING_SENT,
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
        HASHES = {  # type: ignore[misc]
            **paramiko.RSAKey.HASHES,
            "ssh-rsa": hashes.SHA1,
        }

    class OldTransport(paramiko.Transport):
        # paramiko 5 has no public way to add an algorithm.
        _key_info = {
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
        raise too_late(settings, "introduce itself as an SSH server", limit)
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
    raise lost(settings, "before its host key was verified, or is not an SSH server")


def _verify(
    transport: paramiko.Transport,
    settings: SftpSettings,
    entries: list[known_hosts.KnownHost],
) -> None:
    import paramiko

    try:
        key = transport.get_remote_server_key()
    except paramiko.SSHException:
        raise lost(
            settings, "before its host key was verified, or is not an SSH server"
        ) from None
    known_hosts.verify_host_key(
        entries,
        path=settings.known_hosts,
        address=settings.address,
        describe=settings.describe,
        key_type=key.get_name(),
        key=key.asbytes(),
    )
