"""Limits of what is read from outside. Rule: docs/reference/oneroster_csv.md, limits.

Kept by `zip_safety.py`, `container.py` and `reading.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from d118_pipelines.sources.delimited.splitter import Dialect


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

    @property
    def dialect(self) -> Dialect:
        """RFC 4180, with small faults corrected."""
        return Dialect(
            max_cell_chars=self.max_field_chars,
            max_record_bytes=self.max_record_bytes,
            corrects=True,
        )
