"""Limits of what is read from outside. Rule: docs/reference/oneroster_csv.md, limits.

Belongs here: the numbers. Not here: how they are kept (`zip_safety.py`, `reading.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from d118_pipelines.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes unless the name says otherwise; `max_ratio` is expanded/packed."""

    max_compressed_bytes: int = 4 * 1024**3
    max_entries: int = 64
    max_entry_bytes: int = 8 * 1024**3
    max_total_bytes: int = 16 * 1024**3
    max_ratio: int = 200
    ratio_free_bytes: int = 10 * 1024**2
    max_rows_per_file: int = 20_000_000
    max_record_bytes: int = 1024**2
    max_field_chars: int = 65_536
    max_columns: int = 512
    max_name_bytes: int = 255

    @classmethod
    def from_settings(cls, values: Mapping[str, int]) -> Limits:
        """The defaults with some replaced. Raises: ConfigurationError."""
        known = {field.name for field in fields(cls)}
        for name, value in values.items():
            if name not in known or not isinstance(value, int) or value < 1:
                raise ConfigurationError(
                    f"zip_limits: {name} is not a limit or not a positive number",
                    rule="limits: " + ", ".join(sorted(known)),
                    not_done="nothing was read",
                    next_step="correct zip_limits of the provider",
                )
        return cls(**values)
