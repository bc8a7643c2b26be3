"""The pages of one list, checked while they are read.

Called by `source.py`; requests are in `sources/http/`. Rule:
docs/reference/clever_api.md, pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urljoin, urlsplit

from d118_pipelines.errors import D118Error, IncompleteExtractError, SourceError
from d118_pipelines.kernel.addresses import host, origin

if TYPE_CHECKING:
    from d118_pipelines.sources.http.answers import Answer
    from d118_pipelines.sources.http.client import HttpClient, Query

PAGE_SIZE = 1000
NOT_STORED = "The pull was not stored."
Record = dict[str, Any]


class ListReader:
    """Reads one list to its end: the page without a next link.

    path: as `/users`. query: besides `limit`. Of what was read only the ids are kept.
    """

    def __init__(
        self,
        client: HttpClient,
        path: str,
        query: Query = (),
        *,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._client, self._path = client, path
        self._query = [("limit", str(page_size)), *query]
        self._seen: set[str] = set()
        self._cursor = ""
        self.size_bytes = 0

    def pages(self) -> Iterator[list[Record]]:
        """The objects of each page, without their wrapping.

        Raises: SourceError (`clever.bad_payload`), IncompleteExtractError
        (`clever.paging_stuck`), and what the client raises.
        """
        answer = self._client.get(self._path, self._query)
        while True:
            body = self._body(answer)
            self.size_bytes += len(answer.body)
            records = [self._record(entry) for entry in body["data"]]
            yield records
            url = self._next(answer, body.get("links"))
            if url is None:
                return
            answer = self._client.get_url(url)

    def _body(self, answer: Answer) -> Record:
        try:
            body = answer.json()
        except ValueError as exc:
            raise self._bad(str(exc)) from None
        if not isinstance(body, dict) or not isinstance(body.get("data"), list):
            raise self._bad("has no list `data`")
        return body

    def _record(self, entry: Any) -> Record:
        record = entry.get("data") if isinstance(entry, dict) else None
        id_ = record.get("id") if isinstance(record, dict) else None
        if not isinstance(record, dict) or not isinstance(id_, str) or not id_:
            raise self._bad("has an object without `data` and `id`")
        if id_ in self._seen:
            raise self._stuck(f"The object {id_} came twice")
        self._seen.add(id_)
        return record

    def _next(self, answer: Answer, links: Any) -> str | None:
        """The next page's address, None at the end; the same list, further on."""
        if not isinstance(links, list):
            raise self._bad("has no list `links`")
        uris = [
            link.get("uri")
            for link in links
            if isinstance(link, dict) and link.get("rel") == "next"
        ]
        if not uris:
            return None
        try:
            # Relative to the host, so that the version is not there twice.
            url = urljoin(answer.url, str(uris[0]))
            parts = urlsplit(url)
        except ValueError:
            raise self._bad("has a next link that is no address") from None
        if origin(url) != origin(answer.url) or parts.path != urlsplit(answer.url).path:
            raise self._bad("has a next link to another place, which was not contacted")
        cursor = parse_qs(parts.query).get("starting_after", [""])[0]
        if cursor <= self._cursor:
            raise self._stuck("The next link does not move on")
        self._cursor = cursor
        return url

    def _where(self) -> str:
        return f"{self._path} at {host(self._client.base_url)}"

    def _bad(self, fault: str) -> D118Error:
        return SourceError(
            f"FAILED clever.bad_payload  An answer {fault}.",
            where=self._where(),
            rule="every page is the envelope that Clever documents",
            not_done=NOT_STORED,
            next_step="Run it again; if it happens again, check api_version and base_url.",
        )

    def _stuck(self, fault: str) -> D118Error:
        return IncompleteExtractError(
            f"FAILED clever.paging_stuck  {fault}.",
            where=self._where(),
            rule="ids ascend, and each page begins after the one before",
            not_done=NOT_STORED,
            next_step="Run it again; if it happens again, report it to Clever.",
        )
