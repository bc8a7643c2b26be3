"""Where a target goes: the configured server or service, else the local outbox.

Belongs here: reading a destination's environment. Its values are never shown: a
destination is known by a short hash and named by its variable.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d118_pipelines.config.project import Project, environment_value
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.delivery.files import DeliveryOptions
from d118_pipelines.delivery.remote import Remote
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.destination_model import Destination, ScimDestination

if TYPE_CHECKING:
    from d118_pipelines.delivery.scim.changes import ScimSettings
    from d118_pipelines.ssh.settings import SftpSettings


@dataclass(frozen=True, slots=True)
class ResolvedDestination:
    """id: what ledger and baseline belong to. label: what people read.

    `connect()` opens a connection; it raises what delivery raises, and
    MissingSecretError if the login is not set.
    """

    id: str
    label: str
    is_outbox: bool
    options: DeliveryOptions
    connect: Callable[[], Remote]


def resolve(project: Project, target: Target) -> ResolvedDestination:
    """The target's destination as the environment has it now; opens no connection.

    Raises: ConfigurationError for a bad address.
    """
    wanted = target.model.destination
    if isinstance(wanted, ScimDestination):
        return _scim(project, target, wanted)
    options = DeliveryOptions(
        use_temp_names=wanted.use_temp_names,
        confirm_size=wanted.confirm_size,
        confirm_hash=wanted.confirm_hash,
        set_mtime=wanted.set_mtime,
        ordered_mtimes=wanted.ordered_mtimes,
        verify_after_rename=wanted.verify_after_rename,
        settle_seconds=wanted.settle_seconds,
    )
    if not os.environ.get(wanted.address_env):
        return _outbox(project, target, options)
    return _sftp(project, target, wanted, options)


def refuse_demonstration(
    target: Target, destination: ResolvedDestination, *, demonstration: bool
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


def _outbox(
    project: Project, target: Target, options: DeliveryOptions
) -> ResolvedDestination:
    folder = project.home / "outbox" / target.name

    def connect() -> Remote:
        from d118_pipelines.delivery.folder import FolderRemote

        project.folder("outbox")
        return FolderRemote(folder)

    return ResolvedDestination("outbox", shown_path(folder), True, options, connect)


def _scim(
    project: Project, target: Target, wanted: ScimDestination
) -> ResolvedDestination:
    if not os.environ.get(wanted.address_env):
        return _outbox(project, target, DeliveryOptions())
    base_url = os.environ[wanted.address_env].rstrip("/")
    digest = hashlib.sha256(base_url.encode("utf-8")).hexdigest()[:12]
    label = f"${wanted.address_env}"

    def connect() -> Remote:
        raise no_files(target, label)

    return ResolvedDestination(
        f"scim-{digest}", label, False, DeliveryOptions(), connect
    )


def no_files(target: Target, label: str) -> ConfigurationError:
    """What a target of users says to whoever wants its files sent."""
    return ConfigurationError(
        f"{target.name} sends no files: {label} gets its users one by one.",
        not_done="Nothing was sent.",
        next_step=f"Send what has changed: d118 run {target.name}",
    )


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


def _sftp(
    project: Project, target: Target, wanted: Destination, options: DeliveryOptions
) -> ResolvedDestination:
    from d118_pipelines.ssh.address import parse_address

    address = parse_address(
        os.environ[wanted.address_env], describe=f"${wanted.address_env}"
    )
    where = f"{address.host}:{address.port} {wanted.directory}"
    digest = hashlib.sha256(where.encode("utf-8")).hexdigest()[:12]

    def connect() -> Remote:
        from d118_pipelines.delivery.sftp import SftpRemote

        # The login is read here: status and plans need no credential.
        return SftpRemote(sftp_settings(project, target, wanted))

    label = f"${wanted.address_env}:{wanted.directory}"
    return ResolvedDestination(f"sftp-{digest}", label, False, options, connect)


def sftp_settings(
    project: Project, target: Target, wanted: Destination
) -> SftpSettings:
    """The server, folder and login of a target whose address is set.

    Raises: ConfigurationError for a bad address or a missing user name or password.
    """
    from d118_pipelines.ssh.address import parse_address
    from d118_pipelines.ssh.settings import SftpSettings

    needed = f"the delivery of {target.name}"

    def value(name: str) -> str:
        return environment_value(name, needed_for=needed)

    login = f"${wanted.password_env}" if wanted.password_env else wanted.key_file
    return SftpSettings(
        address=parse_address(
            value(wanted.address_env), describe=f"${wanted.address_env}"
        ),
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
