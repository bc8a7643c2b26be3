"""What is asked of a SCIM service provider and what became of it.

Used by the whole room and by `workflows/targets/scim.py`.
Rule: docs/reference/scim.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.addresses import may_be_asked

Status = Literal["provisioned", "updated", "deleted", "failed", "pending"]
PAUSES = (1.0, 4.0, 15.0)
Way = Literal["bulk", "concurrent", "sequential"]


@dataclass(frozen=True, slots=True)
class ScimSettings:
    """Settings of one service provider.

    base_url: of the SCIM service, with its version (`https://idp.example/scim/v2`).
    token: bearer token. timeout_seconds: to connect, and between two bytes.
    concurrency: requests at the same time; 1 is one after the other.
    deactivate: `patch` keeps the user with active=false, `delete` removes it.
    use_bulk: bulk requests where the service supports them.
    pauses_seconds: before each repetition after 429, 5xx or a lost connection, at most
    three; a longer Retry-After counts, up to `longest_pause_seconds`.
    Raises: ConfigurationError for an address or token that must not be used.
    """

    base_url: str
    token: str = field(repr=False)
    timeout_seconds: float = 30
    concurrency: int = 8
    deactivate: Literal["patch", "delete"] = "patch"
    use_bulk: bool = True
    pauses_seconds: tuple[float, ...] = PAUSES
    longest_pause_seconds: float = 60

    def __post_init__(self) -> None:
        if not may_be_asked(self.base_url):
            raise _unusable(
                "base URL",
                "https://host/path (http only for this machine), without user name, "
                "query and fragment",
            )
        if not (self.token and self.token.isascii() and self.token.isprintable()):
            raise _unusable("token", "printable ASCII, not empty")
        if self.concurrency < 1 or len(self.pauses_seconds) > 3:
            raise _unusable("settings", "concurrency 1 or more, at most three pauses")


@dataclass(frozen=True, slots=True)
class ScimChange:
    """The wanted state of one user.

    key: the externalId. scim_id: the provider's own id, None while it is not known.
    user: JSON body without `id` and `meta`. removed: SCIM paths that had a value and
    have none any more. look_first: an earlier attempt may have reached the provider, so
    it is asked for the externalId before anything is created.
    """

    key: str
    action: Literal["create", "update", "deactivate"]
    scim_id: str | None
    user: Mapping[str, Any]
    removed: tuple[str, ...] = ()
    look_first: bool = False


@dataclass(frozen=True, slots=True)
class ScimOutcome:
    """The outcome of one change.

    scim_id: to be remembered; None forgets it. error: status and words of the standard,
    never text of the provider, which could quote a person.
    """

    key: str
    status: Status
    scim_id: str | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ScimReport:
    """Counts per status over all changes, and what it took."""

    counts: Mapping[Status, int]
    requests: int
    seconds: float
    used: Way


def _unusable(what: str, rule: str) -> ConfigurationError:
    return ConfigurationError(
        f"FAILED scim.settings  The SCIM {what} cannot be used.",
        rule=rule,
        not_done="Nothing was contacted.",
        next_step="Correct the SCIM settings or their environment variables.",
    )
