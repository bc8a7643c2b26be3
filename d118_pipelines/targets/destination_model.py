"""The key `destination` of a target: a place for files, or a service for users.

Read as a part of `model.py`; connections are in `delivery/`.
The page for people is docs/reference/target_yaml.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.config.yaml_files import Model


class SftpDestination(DeliveryOptions):
    """Where and how the files go. Keys that end in `_env` name environment variables.

    While the variable of `address_env` is unset, the set goes to
    `D118_HOME/outbox/<target>/`.
    """

    address_env: str
    username_env: str
    password_env: str | None = None
    key_file: str | None = None
    key_passphrase_env: str | None = None
    known_hosts: str = "known_hosts"
    directory: str
    allow_ssh_rsa: bool = False

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> SftpDestination:
        if (self.password_env is None) == (self.key_file is None):
            raise ValueError("exactly one of password_env and key_file is needed")
        return self


class AutocommDestination(SftpDestination):
    """The folder from which PowerSchool itself imports (AutoComm).

    address_env: the variable with a server, or with a folder of this machine, which
    begins with `/` and needs no login. enabled: false, and the set goes to the outbox.
    allow: the only columns that may be sent. Rule: docs/reference/autocomm.md.
    """

    protocol: Literal["autocomm"]
    enabled: bool = False
    allow: Annotated[list[str], Field(min_length=1)]
    username_env: str = ""
    directory: str = "."

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> AutocommDestination:
        logins = (self.password_env is not None) + (self.key_file is not None)
        if logins != bool(self.username_env):
            raise ValueError(
                "username_env and exactly one of password_env and key_file, or for a "
                "folder none of them"
            )
        return self


class ScimDestination(Model):
    """A service provider that gets the users one by one over SCIM 2.0, and no files.

    address_env: the variable with its base URL; while it is unset, the requests are
    written to `D118_HOME/outbox/<target>/`. Rule: docs/reference/scim.md.
    """

    protocol: Literal["scim"]
    address_env: str
    token_env: str
    timeout_seconds: Annotated[int, Field(ge=1)] = 30
    concurrency: Annotated[int, Field(ge=1, le=50)] = 8
    bulk: bool = True
    deactivate: Literal["patch", "delete"] = "patch"


def _protocol(value: object) -> str:
    """Which model a destination is read with."""
    named = value.get("protocol") if isinstance(value, dict) else None
    named = named or getattr(value, "protocol", None)
    return str(named) if named in ("scim", "autocomm") else "sftp"


AnyDestination = Annotated[
    Annotated[SftpDestination, Tag("sftp")]
    | Annotated[AutocommDestination, Tag("autocomm")]
    | Annotated[ScimDestination, Tag("scim")],
    Discriminator(_protocol),
]
