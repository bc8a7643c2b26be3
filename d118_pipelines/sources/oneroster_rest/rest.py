"""A OneRoster 1.1 or 1.2 service as a source of rosters.

Called by `workflows/providers/provider_sources.py`. Here are the collections of one
pull and the test of the connection; pages are in `paging.py`, ClassLink's own parts in
`classlink.py`. Rule: docs/reference/oneroster_rest.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing

from d118_pipelines.errors import D118Error
from d118_pipelines.sources.http.answers import Answer
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.http.oauth1 import METHODS, OAuth1, SignatureMethod
from d118_pipelines.sources.oneroster_rest.codes import incomplete, warning
from d118_pipelines.sources.oneroster_rest.collections import (
    DEMOGRAPHICS,
    PATHS,
    Version,
    in_order,
    list_key,
)
from d118_pipelines.sources.oneroster_rest.paging import (
    Paging,
    Query,
    page_rows,
    read_collection,
)
from d118_pipelines.sources.pull import ConnectionReport, PullStore, try_each

TEST_SECONDS = 60.0


class _RevisionMoved(Exception):
    """The service changed what it shares while it was read."""


class _NotOffered(Exception):
    """The service refuses a collection that a pull can do without."""


class OneRosterSource:
    """Reads one service; see RosterSource for the promises.

    name: of the provider, for people. paths: collection -> path below the base address.
    allow_empty: whether a required collection may be empty (demographics always may).
    revision_header: a header whose change during a pull restarts the pull.
    Raises: ConfigurationError for a path that OneRoster does not have.
    """

    def __init__(
        self,
        name: str,
        client: HttpClient,
        *,
        version: Version = "1.1",
        paths: Mapping[str, str] = PATHS,
        paging: Paging | None = None,
        allow_empty: bool = False,
        revision_header: str | None = None,
        kind: str = "ONEROSTER_API",
    ) -> None:
        self._name, self._client, self._version = name, client, version
        self._paths = in_order(paths)
        self._paging = paging or Paging()
        self._allow_empty, self._revision_header = allow_empty, revision_header
        self.kind, self.collections = kind, list(self._paths)

    def opened(self, seconds: float | None = None) -> HttpClient:
        """The client of the service; for a quick question that ends in `seconds`."""
        return self._client if seconds is None else self._client.within(seconds)

    def pull(self, store: PullStore) -> None:
        """Read every collection from its first page to its proven or reached end.

        Raises: FatalError or RetriableError; what is in the store is then worth
        nothing.
        """
        with closing(self._client), closing(self.opened()) as client:
            for _ in range(self._paging.max_restarts + 1):
                try:
                    self._pull_once(client, store)
                except _RevisionMoved:
                    store.restart()
                else:
                    store.details["version"] = self._version
                    return
        text = "What the service shares kept changing."
        raise incomplete("unstable", text, self._name)

    def _pull_once(self, client: HttpClient, store: PullStore) -> None:
        revision = _Revision(self._revision_header)
        for name in self._paths:
            try:
                self._read(client, store, name, revision)
            except _NotOffered:
                # Pages that came before the refusal are no collection.
                (store.folder / f"{name}.parquet").unlink(missing_ok=True)
                store.findings.append(warning("no_demographics", name))

    def _read(
        self, client: HttpClient, store: PullStore, name: str, revision: _Revision
    ) -> None:
        path = self._paths[name]
        refusals = {403, 404} if self._is_optional(name) else set()

        def ask(query: Query, expect: Collection[int]) -> Answer:
            answer = client.get(path, query, expect={*expect, *refusals})
            if answer.status in refusals and answer.status not in expect:
                raise _NotOffered
            revision.check(answer)
            return answer

        rows, findings = read_collection(
            ask,
            list_key(path),
            lambda: store.collection(name),
            self._paging,
            name=name,
        )
        store.findings.extend(findings)
        if rows or self._is_optional(name):
            return
        if not self._allow_empty:
            raise incomplete("empty_collection", "The collection is empty.", name)
        # An empty collection is never proof that everybody has left.
        store.collections[name].absence = "never"

    def _is_optional(self, name: str) -> bool:
        return list_key(self._paths[name]) == DEMOGRAPHICS

    def test(self) -> ConnectionReport:
        """Read one row of each collection, within a minute, without raising."""
        clock = self._client.clock
        started = clock.monotonic()
        details: dict[str, str] = {"version": self._version}
        failure: D118Error | None = None
        with closing(self._client):
            try:
                with closing(self.opened(TEST_SECONDS)) as quick:
                    tried = try_each(self._paths, lambda name: self._look(quick, name))
                    details |= {n: e.what if e else "readable" for n, e in tried}
                    details |= self._signature_methods(quick)
                fatal = (e for n, e in tried if e and not self._is_optional(n))
                failure = next(fatal, None)
            except D118Error as exc:
                failure = exc
        return ConnectionReport(
            failure is None,
            failure.what if failure else f"Successfully connected to {self._name}",
            round(clock.monotonic() - started, 3),
            details,
        )

    def _signature_methods(self, client: HttpClient) -> dict[str, str]:
        """For OAuth 1.0a: which methods work. Only the test tries another one."""
        auth = client.auth
        if not isinstance(auth, OAuth1):
            return {}
        name = self.collections[0]

        def works(method: SignatureMethod) -> bool:
            signed = client.within(TEST_SECONDS, auth=auth.with_method(method))
            [(_, error)] = try_each([name], lambda one: self._look(signed, one))
            return error is None

        found = ", ".join(m for m in METHODS if works(m)) or "none"
        return {"signature methods that work": found, "configured": auth.method}

    def _look(self, client: HttpClient, name: str) -> None:
        """Raises: why a collection cannot be read."""
        path = self._paths[name]
        page_rows(client.get(path, [("limit", "1")]), list_key(path), name)


class _Revision:
    """The revision that a service names on every answer must stay the first one."""

    def __init__(self, header: str | None) -> None:
        self._header, self._first = header, ""

    def check(self, answer: Answer) -> None:
        """Raises: _RevisionMoved."""
        found = answer.headers.get(self._header, "") if self._header else ""
        if found and self._first and found != self._first:
            raise _RevisionMoved
        self._first = self._first or found
