"""`retention:` of `config/district.yaml`: how many days what is kept.

Called by `district.py`; what removes it is in `workflows/upkeep/retention.py`. Rules:
docs/reference/retention.md.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from d118_pipelines.config.yaml_files import Model

Days = Annotated[int, Field(ge=1, le=365)]
"""Nothing that can hold a person's data is kept for longer than a year."""


class Retention(Model):
    """Days per class; what is older is removed once a day.

    tables: the Parquet tables beside the files of an export that is not the newest any
    more. archived: files that were read out of an inbox. logs: `sync_logs`. history:
    what records of the roster were before. runs: Dagster's, with events and logs.
    inactive: people who left; then they are erased.
    """

    raw_days: Days = 14
    staged_days: Days = 14
    plans_days: Days = 30
    exports_days: Days = 30
    tables_days: Days = 3
    archived_days: Days = 30
    findings_days: Days = 30
    logs_days: Days = 7
    history_days: Days = 90
    webhooks_days: Days = 30
    runs_days: Days = 30
    inactive_days: Days = 365

    @model_validator(mode="after")
    def _erased_last(self) -> Retention:
        """An older extract or file would still hold a person who is erased."""
        longest = max(v for n, v in self if n != "inactive_days")
        if self.inactive_days < longest:
            raise ValueError(
                f"inactive_days is at least as long as every other class ({longest})"
            )
        return self
