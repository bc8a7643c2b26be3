"""Raw extracts on disk: written whole or not at all, found again by run or by age.

Layout: `D118_HOME/raw/<system>/<entity>/<time>-<run>/` with `rows.parquet` and
`manifest.json`; the folder appears under its name only when both are complete.
Called by `assets/raw.py`; what the rows mean is in `powerschool/`.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.retry import doubling_pause, retried
from d118_pipelines.kernel.run_folders import new_run_folder, newest_run_folder
from d118_pipelines.sources.powerschool.source import Binds, PowerSchoolSource, Query

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_FILE = "rows.parquet"
MANIFEST_FILE = "manifest.json"
ATTEMPTS = 3
Progress = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class Extract:
    """One complete extract. `columns` maps each name to its Arrow type, in order."""

    folder: Path
    run_id: str
    row_count: int
    columns: Mapping[str, str]
    query_fingerprint: str
    source: str
    is_demonstration: bool
    made_at: dt.datetime
    seconds: float
    attempts: int
    warnings: tuple[str, ...]

    @property
    def rows_file(self) -> Path:
        """The Parquet file with the rows, in the query's order."""
        return self.folder / ROWS_FILE


def pull_extract(
    source: PowerSchoolSource,
    query: Query,
    binds: Binds,
    *,
    entity_folder: Path,
    run_id: str,
    now: dt.datetime,
    on_progress: Progress = lambda rows, seconds: None,
    pause: Callable[[float], None] = time.sleep,
    may_be_empty: bool = False,
) -> Extract:
    """Run a query and store its rows; whole pull or nothing.

    A failure that may pass is tried again from the start with a fresh file, three times
    in all. on_progress: rows so far and seconds, per batch. may_be_empty: no row is an
    answer too, and is stored.
    Raises: IncompleteExtractError for zero rows; whatever the source raises. In either
    case the newest complete extract stays the newest.
    """
    started = time.monotonic()
    with new_run_folder(entity_folder, run_id=run_id, now=now) as folder:

        def attempt(number: int) -> tuple[int, _Writer, list[str]]:
            writer = _Writer(folder.path / ROWS_FILE, on_progress)
            return number, writer, _write(source, query, binds, writer)

        attempts, writer, warnings = retried(
            attempt, attempts=ATTEMPTS, pause=doubling_pause, sleep=pause
        )
        if writer.rows == 0:
            if not may_be_empty:
                raise _zero_rows(query)
            _write_empty(query, writer)
        extract = Extract(
            folder=folder.final,
            run_id=run_id,
            row_count=writer.rows,
            columns=writer.columns,
            query_fingerprint=query.fingerprint,
            source=source.kind,
            is_demonstration=source.is_demonstration,
            made_at=now,
            seconds=round(time.monotonic() - started, 3),
            attempts=attempts,
            warnings=tuple(warnings),
        )
        _write_manifest(folder.path, extract)
    return extract


def find_extract(entity_folder: Path, *, run_id: str | None = None) -> Extract | None:
    """The extract that the run made, else the newest complete one, else None."""
    folder = newest_run_folder(entity_folder, MANIFEST_FILE, run_id)
    return _read_manifest(folder) if folder else None


class _Writer:
    """Streams batches into one Parquet file and counts them."""

    def __init__(self, path: Path, on_progress: Progress) -> None:
        self.path = path
        self.rows = 0
        self.columns: dict[str, str] = {}
        self._on_progress = on_progress
        self._started = time.monotonic()
        self._file: pa.parquet.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._file is None:
            import pyarrow.parquet as pq  # heavy: only while an extract is written

            self.columns = {field.name: str(field.type) for field in batch.schema}
            self._file = pq.ParquetWriter(self.path, batch.schema, compression="zstd")
            self.path.chmod(0o600)
        self._file.write_batch(batch)
        self.rows += batch.num_rows
        self._on_progress(self.rows, time.monotonic() - self._started)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _write(
    source: PowerSchoolSource, query: Query, binds: Binds, writer: _Writer
) -> list[str]:
    try:
        return source.fetch(query, binds, writer.write)
    finally:
        writer.close()


def _write_empty(query: Query, writer: _Writer) -> None:
    """A file with the query's columns and no row."""
    import pyarrow as pa

    from d118_pipelines.sources.powerschool.schema import expected_schema

    schema = expected_schema(query)
    nothing = [pa.nulls(0, field.type) for field in schema]
    writer.write(pa.RecordBatch.from_arrays(nothing, schema=schema))
    writer.close()


def _zero_rows(query: Query) -> IncompleteExtractError:
    return IncompleteExtractError(
        f"FAILED extract.zero_rows  {query.path.name} returned no rows.",
        where=f"sql/powerschool/{query.path.name}",
        rule="An extract without rows is a fault of the source or of its rights.",
        not_done="Nothing was stored, nothing was sent.",
        next_step="Check the account's rights on the tables, then run: d118 doctor",
    )


def _write_manifest(folder: Path, extract: Extract) -> None:
    values = asdict(extract)
    values["folder"] = extract.folder.name
    values["made_at"] = extract.made_at.isoformat()
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    path.chmod(0o600)


def _read_manifest(folder: Path) -> Extract:
    values = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    values["folder"] = folder
    values["made_at"] = dt.datetime.fromisoformat(values["made_at"])
    values["warnings"] = tuple(values["warnings"])
    return Extract(**values)
