"""All rows of one collection, page by page, and what their number proves.

Called by `rest.py` for each collection; requests are in `sources/http/`, the store in
`sources/pull.py`. Rule: docs/reference/oneroster_rest.md, pages.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from d118_pipelines.errors import IncompleteExtractError, SourceError
from d118_pipelines.kernel.absence import Absence
from d118_pipelines.kernel.addresses import origin
from d118_pipelines.kernel.finding import Finding
from d118_pipelines.sources.http.answers import Answer
from d118_pipelines.sources.oneroster_rest.codes import incomplete, unusable, warning
from d118_pipelines.sources.pull import CollectionWriter

Query = list[tuple[str, str]]
Row = Mapping[str, Any]
# Asks for one page: query and the statuses that can be used.
Ask = Callable[[Query, Collection[int]], Answer]
# How services that have sent every row refuse the page after it.
BEHIND_THE_END = frozenset({204, 400, 404, 416})


@dataclass(frozen=True, slots=True)
class Paging:
    """How a service is paged.

    page_size: rows asked for at once. trust_total: whether `X-Total-Count` is true.
    end_status: the status, if any, with which the service answers behind the end.
    max_restarts: of a collection, and of the pull.
    """

    page_size: int = 1000
    max_pages: int = 100_000
    max_rows: int = 20_000_000
    max_restarts: int = 2
    trust_total: bool = True
    end_status: int | None = None


class Changed(Exception):
    """The count changed, or more rows came; what was read is unusable."""


def read_collection(
    ask: Ask,
    key: str,
    open_writer: Callable[[], CollectionWriter],
    paging: Paging,
    *,
    name: str,
) -> tuple[int, list[Finding]]:
    """Read every page into a writer and finish it with what the read proves.

    key: of the list in each answer. open_writer: begins the collection, from nothing
    when it is called again. name: of the collection in messages. Returns: the rows
    received, and findings. Raises: IncompleteExtractError, SourceError for an answer
    that is not a list, and what `ask` raises.
    """
    for _ in range(paging.max_restarts + 1):
        read = _Read(ask, key, paging, name)
        try:
            return read.run(open_writer())
        except Changed:
            continue
    raise incomplete(
        "unstable",
        "The number of rows kept changing, or X-Total-Count is not that of all rows.",
        name,
        rule="X-Total-Count is the same on every page, and no more rows come",
        next_step="Run it again; if it happens again, the count cannot be trusted: "
        "trustTotal: false for this provider.",
    )


class _Read:
    """One read from the first page to the end."""

    def __init__(self, ask: Ask, key: str, paging: Paging, name: str) -> None:
        self._ask, self._key, self._paging, self._name = ask, key, paging, name
        self._offset = self._received = self._pages = self._size = 0
        self._longest = 0
        self._total: int | None = None
        self._is_sorted, self._is_doubtful = True, False
        # Hashes, not texts: a collection may have millions of rows.
        self._ids: set[int] = set()
        self._firsts: set[int] = set()
        self._noted: Counter[str] = Counter()

    def run(self, writer: CollectionWriter) -> tuple[int, list[Finding]]:
        query: Query | None = self._own_query()
        while query is not None:
            answer = self._fetch(query)
            rows = self._rows(answer)
            self._check_total(answer, rows)
            if rows and self._is_seen(rows):
                break
            if self._total is not None and len(self._ids) > self._total:
                raise Changed
            writer.add_page(rows)
            self._received += len(rows)
            query = self._next_query(answer, len(rows))
            self._check_limits()
        writer.finish(
            absence=self._absence(), source_total=self._total, size_bytes=self._size
        )
        return self._received, self._findings()

    def _fetch(self, query: Query) -> Answer:
        expect = {200}
        may_refuse_sort = self._pages == 0 and self._is_sorted
        if may_refuse_sort:
            expect.add(400)
        if self._paging.end_status and self._offset > 0:
            expect.add(self._paging.end_status)
        if self._may_refuse():
            expect |= BEHIND_THE_END
        answer = self._ask(query, expect)
        if answer.status == 400 and may_refuse_sort:
            self._is_sorted = False
            self._noted["unsorted"] += 1
            return self._ask(self._own_query(), {200})
        return answer

    def _rows(self, answer: Answer) -> list[Row]:
        self._pages += 1
        self._size += len(answer.body)
        if answer.status == self._paging.end_status:
            return []
        try:
            if answer.status == 200:
                return page_rows(answer, self._key, self._place())
        except SourceError:
            if not self._may_refuse():
                raise
        # All rows that were counted are here, and this is no page.
        self._is_doubtful = True
        return []

    def _place(self) -> str:
        return f"{self._name}, offset {self._offset}"

    def _has_all(self) -> bool:
        """Whether as many different rows came as the service counts."""
        return self._total is not None and len(self._ids) >= self._total

    def _check_total(self, answer: Answer, rows: Sequence[Row]) -> None:
        text = answer.headers.get("x-total-count", "").strip()
        if not self._paging.trust_total or not re.fullmatch(r"[0-9]{1,12}", text):
            return
        if self._total is None:
            self._total = int(text)
        if self._total == int(text):
            return
        if rows or int(text):
            raise Changed
        # "0" with the empty page behind the end: it may count the page's rows.
        self._is_doubtful = True

    def _is_seen(self, rows: Sequence[Row]) -> bool:
        """Note the rows' ids; whether the page came before and the read has its end."""
        ids = [_identity(row) for row in rows]
        before = len(self._ids)
        is_first_seen = ids[0] in self._firsts
        self._firsts.add(ids[0])
        self._ids.update(ids)
        added = len(self._ids) - before
        if added and not is_first_seen:
            self._noted["duplicate_row"] += len(ids) - added
            return False
        if added or before != self._total or self._may_count_pages():
            raise incomplete("paging_stuck", "The same page came again.", self._name)
        self._noted["paging_ignored"] += 1
        return True

    def _may_count_pages(self) -> bool:
        """Whether the count is no more than a page as long as was asked for."""
        return self._total == self._longest >= self._paging.page_size

    def _may_refuse(self) -> bool:
        """Whether an answer that is no page can be what comes after the last row."""
        return self._has_all() and not self._may_count_pages()

    def _next_query(self, answer: Answer, received: int) -> Query | None:
        """What to ask next; None at the end. Moves the offset."""
        # A page as long as others may have another one behind it, whatever is counted.
        is_short = received < self._longest
        self._longest = max(self._longest, received)
        if received == 0:
            return None
        link = answer.link("next")
        if link is not None:
            try:
                return self._linked_query(answer, link, received)
            except IncompleteExtractError:
                if not self._has_all():
                    raise
                self._noted["next_repeats"] += 1
        self._offset += received
        return None if is_short and self._has_all() else self._own_query()

    def _linked_query(self, answer: Answer, link: str, received: int) -> Query:
        """The parameters of a link, each once; never its host or its path."""
        try:
            url = urljoin(answer.url, link)
            given = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
            wanted = int(given["offset"]) if "offset" in given else None
        except ValueError:
            raise self._stuck() from None
        if origin(url) != origin(answer.url):
            self._noted["foreign_next"] += 1
        if wanted is not None and wanted <= self._offset:
            raise self._stuck()
        self._offset += received
        if wanted is None:
            return list(given.items())
        if wanted > self._offset:
            self._noted["next_skips"] += 1
            return self._own_query()
        if wanted < self._offset:
            # Rows that come again are harmless; rows left out are not.
            self._offset = wanted
        # A link may leave out what was asked for, sorting for example.
        return list({**dict(self._own_query()), **given}.items())

    def _own_query(self) -> Query:
        query = [("limit", str(self._paging.page_size)), ("offset", str(self._offset))]
        if self._is_sorted:
            query += [("sort", "sourcedId"), ("orderBy", "asc")]
        return query

    def _check_limits(self) -> None:
        paging = self._paging
        if self._pages > paging.max_pages or self._received > paging.max_rows:
            raise incomplete(
                "too_many_pages",
                "The collection does not end.",
                self._name,
                rule=f"at most {paging.max_pages} pages and {paging.max_rows} rows",
            )

    def _absence(self) -> Absence:
        distinct = len(self._ids)
        if self._total is None:
            return "ended" if self._is_sorted else "never"
        if self._noted["paging_ignored"] and self._total == self._longest:
            # The one page that ever comes, and a count that may be of this page.
            return "never"
        if distinct == self._total and not self._is_doubtful:
            return "proven"
        # Some services count a row as often as they send it.
        if self._total in (distinct, self._received):
            return "ended"
        raise incomplete(
            "incomplete",
            f"{distinct} of {self._total} rows came, the page after is empty.",
            self._name,
            rule="as many rows as X-Total-Count says",
            next_step="Run it again. If the service counts rows that the key may not "
            "read: trustTotal: false for this provider.",
        )

    def _findings(self) -> list[Finding]:
        noted = self._noted.items()
        return [warning(word, self._name, count) for word, count in noted if count]

    def _stuck(self) -> IncompleteExtractError:
        text = "The next link does not move on."
        return incomplete("paging_stuck", text, self._place())


def page_rows(answer: Answer, key: str, name: str) -> list[Row]:
    """The rows of one page. Raises: SourceError unless it is a list of objects."""
    try:
        value, fault = answer.json(), "is not a list"
    except ValueError as exc:
        value, fault = None, str(exc)
    rows = value.get(key) if isinstance(value, dict) else None
    is_list = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if rows is None or not is_list or _is_failure(value):
        raise unusable(
            f"The answer {fault} ({answer.words()}).",
            name,
            rule=f"a JSON object with the key {key} and a list of objects under it",
        )
    return list(rows)


def _is_failure(value: Mapping[str, Any]) -> bool:
    """Whether an answer with status 200 is an error envelope after all."""
    inner = value.get("imsx_StatusInfo")
    envelope = inner if isinstance(inner, dict) else value
    major = str(envelope.get("imsx_codeMajor", "")).lower()
    return major in {"failure", "unsupported"}


def _identity(row: Row) -> int:
    """A row without identifier is rejected later; here it is one of its own."""
    found = row.get("sourcedId")
    return hash(json.dumps(row, sort_keys=True) if found is None else str(found))
