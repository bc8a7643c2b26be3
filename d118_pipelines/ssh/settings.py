"""What opens one folder of one SFTP server: address, login, limits.

Made by `workflows/`; `session.py` connects with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.ssh.address import Address


@dataclass(frozen=True, slots=True)
class SftpSettings:
    """All that is needed to open one folder of one SFTP server.

    Exactly one of `password`, `key_file` and `key_text` (the private key itself) is
    set: nothing else is tried, neither an agent nor keys of the account. Secrets and
    the user name are not in the repr.
    directory: absolute, or relative to the login directory.
    allow_ssh_rsa: accept host keys that sign with SHA-1, for old servers.
    channel_timeout_seconds: the longest pause between two signs of life.
    transfer_limit_seconds: the longest time for one file, up or back down.
    describe, describe_login: what a person should check, for example
    `$SFE_SFTP_ADDRESS` and `$SFE_SFTP_USERNAME and private.pem`; names, not values.
    """

    address: Address
    username: str = field(repr=False)
    password: str | None = field(repr=False)
    key_file: Path | None
    key_passphrase: str | None = field(repr=False)
    known_hosts: Path
    directory: str
    allow_ssh_rsa: bool = False
    connect_timeout_seconds: float = 10
    channel_timeout_seconds: float = 30
    transfer_limit_seconds: float = 600
    describe: str = "the SFTP address"
    describe_login: str = "the user name and the password or key"
    key_text: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        ways = (self.password, self.key_file, self.key_text)
        if sum(map(bool, ways)) != 1:
            raise ConfigurationError(
                "A login is either a password or a private key",
                where=self.where,
                not_done="nothing was contacted",
                next_step=f"set one of them: {self.describe_login}",
            )

    @property
    def where(self) -> str:
        """Server and folder, for messages: the variable's name, not its value."""
        return f"{self.describe}, folder {self.directory}"
