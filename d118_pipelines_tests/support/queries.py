"""One query of PowerSchool by itself, as tests of the sources run it."""

from __future__ import annotations

from d118_pipelines.sources.powerschool.source import (
    Binds,
    PowerSchoolSource,
    Query,
    Sink,
)


def fetch(
    source: PowerSchoolSource, query: Query, binds: Binds, sink: Sink
) -> list[str]:
    """Push the query's batches into `sink`; the warnings of the source."""
    with source.reading([query]) as moment:
        moment.fetch(query, binds, sink)
        return list(moment.warnings)
