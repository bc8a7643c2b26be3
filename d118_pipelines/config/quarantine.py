"""What is misconfigured: one target or provider stops, and everything else goes on.

Made by `providers.py`, `targets/definition.py` and `workflows/monitoring/all_feeds.py`,
which load what is sound. Rule: docs/reference/quarantine.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from d118_pipelines.errors import ConfigurationError

STATE = "misconfigured"


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """A target or provider whose files are wrong: nothing of it runs.

    given: its YAML as far as it could be read; empty after a syntax error.
    """

    kind: Literal["target", "provider"]
    name: str
    error: ConfigurationError
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job(self) -> str:
        """The job that it would have."""
        return self.name if self.kind == "target" else f"sync_{self.name}"

    @property
    def line(self) -> str:
        """What is wrong and where, on one line."""
        what, *entries = self.error.what.splitlines()
        told = "; ".join(entry.strip() for entry in entries) or what
        return f"{self.error.where}: {told}" if self.error.where else told

    def text(self, key: str) -> str:
        """A text of its YAML; empty where there is none."""
        value = self.given.get(key)
        return value if isinstance(value, str) else ""
