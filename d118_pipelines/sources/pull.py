"""A pull: all collections of one provider at one moment, stored whole or not at all.

Layout: `D118_HOME/raw/<provider>/<time>-<run>/` with `<collection>.parquet` for each
collection, `findings.parquet` and `manifest.json`; the folder gets its name only when
the pull is proven to be as complete as its manifest says. An extract of one query lies
in `raw/<provider>/<query>/` in the same form. A collection that came as JSON has the
columns `record` (JSON text) and `page`; one from files has its own columns, all text,
and `_line` (BIGINT, the physical line, header is 1); one from a query has the query's
columns and types. Called by `workflows/providers/sync.py` and
`workflows/providers/powerschool_source.py`; every source of `sources/` writes into a
`PullStore`.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from d118_pipelines.errors import (
    AuthenticationError,
    D118Error,
    HeldError,
    IncompleteExtractError,
    RetriableError,
)
from d118_pipelines.kernel.absence import Absence
from d118_pipelines.kernel.arrow_arrays import record_batch
from d118_pipelines.kernel.finding import STORED_COLUMNS, Finding, Findings, refusal
from d118_pipelines.kernel.run_folders import (
    RunFolder,
    find_made,
    read_manifest,
    write_manifest,
)
from d118_pipelines.kernel.text import clean_text, clean_value
from d118_pipelines.sources.denied import without_denied

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FINDINGS_FILE = "findings.parquet"
WRITE_ROWS = 50_000
WRITE_CHARACTERS = 32 * 1024 * 1024
_ESCAPED_NUL = "\\u0000"
W = TypeVar("W")

# rows so far, pages so far, seconds so far, of the collection named.
Progress = Callable[[str, int, int, float], None]


@dataclass(slots=True)
class Collection:
    """What is known about one pulled collection when it is finished."""

    name: str
    rows: int = 0
    pages: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    source_total: int | None = None
    absence: Absence = "never"
    is_delta: bool = False


@dataclass(frozen=True, slots=True)
class Pull:
    """One stored pull. `details` says what the source told about itself; `warnings` are
    for a person and name none."""

    folder: Path
    provider: str
    run_id: str
    kind: str
    made_at: dt.datetime
    seconds: float
    is_demonstration: bool
    collections: Mapping[str, Collection]
    details: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def rows_file(self, collection: str) -> Path:
        """The Parquet file of one collection."""
        return self.folder / f"{collection}.parquet"

    @property
    def findings_file(self) -> Path:
        """The findings of the source; absent where it had none."""
        return self.folder / FINDINGS_FILE


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """What a test of the connection found. No value of a credential is in it."""

    success: bool
    message: str
    latency_seconds: float
    details: Mapping[str, str] = field(default_factory=dict)


def try_each(
    wanted: Iterable[W], look: Callable[[W], None]
) -> list[tuple[W, D118Error | None]]:
    """What a look at each of them met, for a test of a connection.

    The first failure that all would meet, a login or a lost connection, is the last
    one.
    """
    tried: list[tuple[W, D118Error | None]] = []
    for one in wanted:
        try:
            look(one)
            tried.append((one, None))
        except D118Error as exc:
            tried.append((one, exc))
            if isinstance(exc, AuthenticationError | RetriableError):
                break
    return tried


def try_files(
    place: Callable[[], AbstractContextManager[Path]],
    names: Callable[[Path], Iterable[str]],
    look: Callable[[Path, str], str],
    word: str,
) -> ConnectionReport:
    """A test of the files of a folder, without raising.

    place: gives the folder for the time of the look. names: of what is looked at in it.
    look: what one of them is. word: what was done with them, as `found`.
    """
    started = time.monotonic()
    details: dict[str, str] = {}
    problems: list[str] = []
    try:
        with place() as folder:

            def see(name: str) -> None:
                details[name] = look(folder, name)

            for name, error in try_each(names(folder), see):
                if error is not None:
                    details[name] = error.what
                    problems.append(error.what)
    except (D118Error, OSError) as exc:
        problems.append(exc.what if isinstance(exc, D118Error) else str(exc))
    message = problems[0] if problems else f"{len(details)} files {word}"
    return ConnectionReport(not problems, message, time.monotonic() - started, details)


class RosterSource(Protocol):
    """A provider's system, ready to be read."""

    @property
    def kind(self) -> str:
        """The provider's type, for example `CLEVER`."""

    @property
    def collections(self) -> Sequence[str]:
        """The names of what `pull` writes, in the order in which it writes them."""

    def test(self) -> ConnectionReport:
        """Say whether the source can be read and what of it, without raising."""

    def pull(self, store: PullStore) -> None:
        """Write every collection into the store.

        Raises: FatalError or RetriableError; the pull is then thrown away as a whole.
        """


class PullStore:
    """Where a source writes a pull; `commit` makes it the newest.

    max_records: of each collection; None is no limit.
    """

    def __init__(
        self,
        provider_folder: Path,
        *,
        run_id: str,
        now: dt.datetime,
        on_progress: Progress = lambda name, rows, pages, seconds: None,
        max_records: int | None = None,
    ) -> None:
        self._made = RunFolder(provider_folder, run_id=run_id, now=now)
        self.folder = self._made.path
        self._run_id, self._now, self._on_progress = run_id, now, on_progress
        self._started = time.monotonic()
        self.max_records = max_records
        self.collections: dict[str, Collection] = {}
        self.findings: list[Finding] = []
        self.details: dict[str, str] = {}
        self.warnings: list[str] = []
        self.is_demonstration = False

    def collection(self, name: str) -> CollectionWriter:
        """Begin one collection, or begin it again from nothing."""
        return CollectionWriter(self, name, self._on_progress)

    def restart(self) -> None:
        """Throw away all that was written; the source begins again."""
        for path in self.folder.iterdir():
            path.unlink()
        self.collections.clear()
        self.findings.clear()

    def commit(self, *, provider: str, kind: str) -> Pull:
        """Give the pull its name. Raises: IncompleteExtractError if it is empty."""
        if not self.collections:
            raise IncompleteExtractError(
                "FAILED pull.empty  The source gave no collection.",
                not_done="Nothing was stored.",
            )
        if self.findings:
            _write_findings(self.folder / FINDINGS_FILE, self.findings)
        pull = Pull(
            folder=self._made.final,
            provider=provider,
            run_id=self._run_id,
            kind=kind,
            made_at=self._now,
            seconds=round(time.monotonic() - self._started, 3),
            is_demonstration=self.is_demonstration,
            collections=dict(self.collections),
            details=dict(self.details),
            warnings=list(self.warnings),
        )
        write_manifest(self.folder, asdict(pull))
        self._made.complete()
        return pull

    def discard(self) -> None:
        """Remove what was written; does nothing after `commit`."""
        self._made.discard()


class CollectionWriter:
    """Streams one collection into its Parquet file."""

    def __init__(self, store: PullStore, name: str, on_progress: Progress) -> None:
        self._store, self._name, self._on_progress = store, name, on_progress
        self._path = store.folder / f"{name}.parquet"
        self._started = time.monotonic()
        self._file: pq.ParquetWriter | None = None
        self._pending: list[tuple[str, int]] = []
        self._pending_size = 0
        self._found = Findings()
        self.rows = 0
        self.pages = 0
        store.collections.pop(name, None)

    def add_page(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write one page of JSON records; denied fields are dropped here."""
        self.pages += 1
        for record in records:
            text = self._text(without_denied(record))
            self._pending.append((text, self.pages))
            self._pending_size += len(text)
            is_full = self._pending_size >= WRITE_CHARACTERS
            if is_full or len(self._pending) >= WRITE_ROWS:
                self._flush()
        self.rows += len(records)
        self._report()

    def _text(self, record: dict[str, Any]) -> str:
        """A record as JSON text, without characters that no database keeps."""
        text = json.dumps(record, ensure_ascii=False)
        if _ESCAPED_NUL not in text and clean_text(text) == text:
            return text
        clean = clean_value(record)
        if clean == record:
            return text
        changed = [k for k, v in record.items() if clean.get(k) != v]
        self._found.add(
            "row.bad_character",
            "warn",
            self._name,
            key=str(clean.get("sourcedId") or clean.get("id") or ""),
            field=", ".join(k if k.isidentifier() else "?" for k in changed),
            detail="NUL or half of a character; removed",
        )
        return json.dumps(clean, ensure_ascii=False)

    def add_table(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Write rows that came as a table: text columns and `_line`, none denied."""
        self._write(batch)
        self.rows += batch.num_rows
        self._report()

    def finish(
        self,
        *,
        absence: Absence,
        is_delta: bool = False,
        source_total: int | None = None,
        size_bytes: int = 0,
    ) -> None:
        """Close the collection; without this it is not part of the pull."""
        if self._pending or self._file is None:
            self._flush()
        if self._file is not None:
            self._file.close()
        self._store.findings += self._found.all()
        self._store.collections[self._name] = Collection(
            name=self._name,
            rows=self.rows,
            pages=self.pages,
            size_bytes=size_bytes,
            seconds=round(time.monotonic() - self._started, 3),
            source_total=source_total,
            absence=absence,
            is_delta=is_delta,
        )

    def _flush(self) -> None:
        import pyarrow as pa  # heavy: only while a pull is written

        records, pages = zip(*self._pending, strict=True) if self._pending else ((), ())
        schema = pa.schema([("record", pa.string()), ("page", pa.int64())])
        columns = {"record": list(records), "page": list(pages)}
        self._write(record_batch(columns, schema))
        self._pending, self._pending_size = [], 0

    def _write(self, batch: Any) -> None:
        import pyarrow.parquet as pq  # heavy: only while a pull is written

        if self._file is None:
            self._file = pq.ParquetWriter(self._path, batch.schema, compression="zstd")
            self._path.chmod(0o600)
        if hasattr(batch, "to_batches"):
            self._file.write_table(batch)
        else:
            self._file.write_batch(batch)

    def _report(self) -> None:
        check_size(self._name, self.rows, self._store.max_records)
        seconds = time.monotonic() - self._started
        self._on_progress(self._name, self.rows, self.pages, seconds)


def run_pull(
    source: RosterSource,
    provider_folder: Path,
    *,
    provider: str,
    run_id: str,
    now: dt.datetime,
    on_progress: Progress = lambda name, rows, pages, seconds: None,
    max_records: int | None = None,
    refused: Path | None = None,
    judge: Callable[[PullStore], None] = lambda store: None,
) -> Pull:
    """Pull everything and store it, or store nothing and raise what the source raised.

    max_records: see `PullStore`. refused: the file for the findings of a pull that
    is refused. judge: looks at what was written, and may raise too. Raises:
    IncompleteExtractError (`pull.too_many_records`) for one more.
    """
    store = PullStore(
        provider_folder,
        run_id=run_id,
        now=now,
        on_progress=on_progress,
        max_records=max_records,
    )
    try:
        source.pull(store)
        judge(store)
        return store.commit(provider=provider, kind=source.kind)
    except (IncompleteExtractError, HeldError) as exc:
        if refused is not None:
            _write_findings(refused, [refusal(exc), *store.findings])
        raise
    finally:
        store.discard()


def check_size(collection: str, rows: int, max_records: int | None) -> None:
    """Raises: IncompleteExtractError if a collection has more rows than it may have."""
    if max_records is not None and rows > max_records:
        raise IncompleteExtractError(
            f"FAILED pull.too_many_records  {collection} has more than {max_records} "
            "records.",
            rule="limits.max_records of the provider",
            not_done="Nothing of this pull was stored or staged.",
            next_step="Raise limits.max_records if the district is that large.",
        )


def find_pull(provider_folder: Path, *, run_id: str | None = None) -> Pull | None:
    """The pull that the run made, else the newest one, else None."""
    return find_made(provider_folder, _read_pull, run_id)


def _read_pull(folder: Path) -> Pull:
    values = read_manifest(folder)
    values["collections"] = {
        name: Collection(**entry) for name, entry in values["collections"].items()
    }
    return Pull(**values)


def _write_findings(path: Path, findings: Sequence[Finding]) -> None:
    import pyarrow as pa  # heavy: only where there are findings
    import pyarrow.parquet as pq

    kinds = {"VARCHAR": pa.string(), "BIGINT": pa.int64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in STORED_COLUMNS.items()])
    rows = [finding.stored() for finding in findings]
    columns = {name: [row[name] for row in rows] for name in schema.names}
    pq.write_table(pa.Table.from_batches([record_batch(columns, schema)]), path)
    path.chmod(0o600)
