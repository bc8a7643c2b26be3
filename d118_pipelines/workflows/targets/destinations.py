"""Where a target goes: the configured server or service, else the local outbox.

Called by `deliveries.py`, `target_feed.py` and `d118 doctor`. The environment is read
here; its values are never shown: a destination is known by a short hash and named by
its variable.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.config.project import Project, environment_value
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.delivery.remote import Remote
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.destination_model import (
    AutocommDestination,
    ScimDestination,
    SftpDestination,
)

if TYPE_CHECKING:
    from d118_pipelines.delivery.scim.changes import ScimSettings
    from d118_pipelines.ssh.address import Address
    from d118_pipelines.ssh.settings import SftpSettings


@dataclass(frozen=True, slots=True)
class Destination:
    """id: what ledger and baseline belong to. label: what people read."""

    id: str
    label: str
    is_outbox: bool


@dataclass(frozen=True, slots=True)
class FileDestination(Destination):
    """A place for files.

    `connect()` opens a connection; it raises what delivery raises, and
    MissingSecretError if the login is not set.
    """

    options: DeliveryOptions
    connect: Callable[[], Remote]


def resolve(project: Project, target: Target) -> Destination:
    """The target's destination as the environment has it now; opens no connection.

    A FileDestination for the outbox and for a server, a plain one for a service of
    users. Raises: ConfigurationError for a bad address.
    """
    wanted = target.model.destination
    address = os.environ.get(wanted.address_env)
    is_off = isinstance(wanted, AutocommDestination) and not wanted.enabled
    if not address or is_off:
        return _outbox(project, target)
    if isinstance(wanted, ScimDestination):
        name = f"scim-{_digest(address.rstrip('/'))}"
        return Destination(name, f"${wanted.address_env}", False)
    if isinstance(wanted, AutocommDestination) and address.startswith("/"):
        return _folder(wanted, Path(address) / wanted.directory)
    return _sftp(project, target, wanted)


def refuse_demonstration(
    target: Target, destination: Destination, *, demonstration: bool
) -> None:
    """Raise ConfigurationError if made-up people would go to a configured address."""
    if demonstration and not destination.is_outbox:
        raise ConfigurationError(
            f"The demonstration district must not be sent to {destination.label}.",
            where=target.name,
            rule="Demonstration data never goes to a configured address.",
            not_done="Nothing was sent.",
            next_step="Set POWERSCHOOL_PROD_DB or POWERSCHOOL_CSV_DIR, or unset "
            f"{target.model.destination.address_env}",
        )


def _folder(wanted: AutocommDestination, folder: Path) -> FileDestination:
    """A folder of this machine from which PowerSchool imports, such as a mounted share."""

    def connect() -> Remote:
        from d118_pipelines.delivery.folder import FolderRemote

        return FolderRemote(folder, is_ours=False)

    name, label = f"folder-{_digest(str(folder))}", f"${wanted.address_env}"
    return FileDestination(name, label, False, wanted, connect)


def _outbox(project: Project, target: Target) -> FileDestination:
    folder = project.home / "outbox" / target.name

    def connect() -> Remote:
        from d118_pipelines.delivery.folder import FolderRemote

        project.folder("outbox")
        return FolderRemote(folder)

    wanted = target.model.destination
    options = wanted if isinstance(wanted, DeliveryOptions) else DeliveryOptions()
    return FileDestination("outbox", shown_path(folder), True, options, connect)


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode("utf-8")).hexdigest()[:12]


def scim_settings(target: Target, wanted: ScimDestination) -> ScimSettings:
    """The base URL and token of a target whose address is set, and how it is asked.

    Raises: ConfigurationError for a bad address or token; MissingSecretError.
    """
    from d118_pipelines.delivery.scim.changes import ScimSettings

    needed = f"the users of {target.name}"
    return ScimSettings(
        base_url=environment_value(wanted.address_env, needed_for=needed).rstrip("/"),
        token=environment_value(wanted.token_env, needed_for=needed),
        timeout_seconds=wanted.timeout_seconds,
        concurrency=wanted.concurrency,
        deactivate=wanted.deactivate,
        use_bulk=wanted.bulk,
    )


def _sftp(project: Project, target: Target, wanted: SftpDestination) -> FileDestination:
    from d118_pipelines.ssh.address import parse_address

    variable = f"${wanted.address_env}"
    address = parse_address(os.environ[wanted.address_env], describe=variable)
    where = f"{address.host}:{address.port} {wanted.directory}"

    def connect() -> Remote:
        from d118_pipelines.delivery.sftp import SftpRemote

        # The login is read here: status and plans need no credential.
        return SftpRemote(sftp_settings(project, target, wanted, address))

    name, label = f"sftp-{_digest(where)}", f"{variable}:{wanted.directory}"
    return FileDestination(name, label, False, wanted, connect)


def file_settings(project: Project, target: Target) -> SftpSettings | None:
    """The server of a target of files; None while its address is unset.

    Raises: ConfigurationError for a bad address; MissingSecretError.
    """
    from d118_pipelines.ssh.address import parse_address

    wanted = target.model.destination
    text = os.environ.get(wanted.address_env)
    if not text or not isinstance(wanted, SftpDestination):
        return None
    address = parse_address(text, describe=f"${wanted.address_env}")
    return sftp_settings(project, target, wanted, address)


def sftp_settings(
    project: Project, target: Target, wanted: SftpDestination, address: Address
) -> SftpSettings:
    """The server, folder and login of a target. Raises: MissingSecretError."""
    from d118_pipelines.ssh.settings import SftpSettings

    if not wanted.username_env:
        raise ConfigurationError(
            f"${wanted.address_env} is a server, and {target.name} has no login for it.",
            rule="A server needs username_env and password_env or key_file.",
            not_done="No connection was made.",
        )

    def value(name: str) -> str:
        return environment_value(name, needed_for=f"the delivery of {target.name}")

    login = f"${wanted.password_env}" if wanted.password_env else wanted.key_file
    return SftpSettings(
        address=address,
        username=value(wanted.username_env),
        password=value(wanted.password_env) if wanted.password_env else None,
        key_file=project.root / wanted.key_file if wanted.key_file else None,
        key_passphrase=os.environ.get(wanted.key_passphrase_env or "") or None,
        known_hosts=project.root / wanted.known_hosts,
        directory=wanted.directory,
        allow_ssh_rsa=wanted.allow_ssh_rsa,
        describe=f"${wanted.address_env}",
        describe_login=f"${wanted.username_env} and {login}",
    )
