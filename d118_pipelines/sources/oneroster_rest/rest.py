"""A OneRoster 1.1 or 1.2 service as a source of rosters.

Belongs here: the collections of one pull, and the test of the connection. Not here:
pages (paging.py), HTTP, credentials, ClassLink's own parts (classlink.py).
Rule: docs/reference/oneroster_rest.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from d118_pipelines.errors import (
    AuthenticationError,
    D118Error,
    RetriableError,
)
from d118_pipelines.sources.http.answers import Answer
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.http.oauth1 import METHODS, OAuth1
from d118_pipelines.sources.oneroster_rest.codes import incomplete, warning
from d118_pipelines.sources.oneroster_rest.collections import (
    DEMOGRAPHICS,
    PATHS,
    Version,
    in_order,
    list_key,
)
from d118_pipelines.sources.oneroster_rest.paging import (
    Ask,
    Paging,
    Query,
    page_rows,
    read_collection,
)
from d118_pipelines.sources.pull import ConnectionReport, PullStore

TEST_SECONDS = 60.0


class _RevisionMoved(Exception):
    """The service changed what it shares while it was read."""


class _NotOffered(Exception):
    """The service refuses a collection that a pull can do without."""


class OneRosterSource:
    """Reads one service; see RosterSource for the promises.

    name: of the provider, for people. paths: collection -> path below the base address.
    allow_empty: whether a required collection may be empty (demographics always may).
    revision_header: a header whose change during a pull begins the pull anew.
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
        self._kind = kind

    @property
    def kind(self) -> str:
        """The provider's type."""
        return self._kind

    @property
    def collections(self) -> Sequence[str]:
        """The names of what `pull` writes, in the order in which it writes them."""
        return list(self._paths)

    def pull(self, store: PullStore) -> None:
        """Read every collection from its first page to its proven or reached end.

        Raises: FatalError or RetriableError; what is in the store is then worth nothing.
        """
        try:
            for _ in range(self._paging.max_restarts + 1):
                try:
                    self._pull_once(store)
                except _RevisionMoved:
                    store.restart()
                else:
                    store.details["version"] = self._version
                    return
        finally:
            self._client.close()
        text = "What the service shares kept changing."
        raise incomplete("unstable", text, self._name)

    def _pull_once(self, store: PullStore) -> None:
        revision = _Revision(self._revision_header)
        for name, path in self._paths.items():
            is_optional = list_key(path) == DEMOGRAPHICS
            try:
                self._read(store, name, path, revision, is_optional=is_optional)
            except _NotOffered:
                # Pages that came before the refusal are no collection.
                (store.folder / f"{name}.parquet").unlink(missing_ok=True)
                store.findings.append(warning("no_demographics", name))

    def _read(
        self,
        store: PullStore,
        name: str,
        path: str,
        revision: _Revision,
        *,
        is_optional: bool,
    ) -> None:
        ask = self._asker(path, revision, is_optional=is_optional)
        rows, findings = read_collection(
            ask,
            list_key(path),
            lambda: store.collection(name),
            self._paging,
            name=name,
        )
        store.findings.extend(findings)
        if rows or is_optional:
            return
        if not self._allow_empty:
            raise incomplete("empty_collection", "The collection is empty.", name)
        # An empty collection is never proof that everybody has left.
        store.collections[name].absence = "never"

    def _asker(self, path: str, revision: _Revision, *, is_optional: bool) -> Ask:
        refusals = frozenset({403, 404}) if is_optional else frozenset()

        def ask(query: Query, expect: Collection[int]) -> Answer:
            answer = self._client.get(path, query, expect={*expect, *refusals})
            if answer.status in refusals and answer.status not in expect:
                raise _NotOffered
            revision.check(answer)
            return answer

        return ask

    def test(self, *, seconds: float = TEST_SECONDS) -> ConnectionReport:
        """Read one row of each collection, within `seconds`, without raising."""
        quick = self._client.within(seconds)
        started = quick.clock.monotonic()
        details: dict[str, str] = {"version": self._version}
        failure: D118Error | None = None
        try:
            for name, path in self._paths.items():
                refusal = _first_row(quick, name, path)
                details[name] = "readable" if refusal is None else refusal.what
                if refusal is not None and list_key(path) != DEMOGRAPHICS:
                    failure = failure or refusal
                if isinstance(refusal, AuthenticationError | RetriableError):
                    break
            details |= self._signature_methods(quick)
        finally:
            self._client.close()
        return ConnectionReport(
            failure is None,
            failure.what if failure else f"Successfully connected to {self._name}",
            round(quick.clock.monotonic() - started, 3),
            details,
        )

    def _signature_methods(self, client: HttpClient) -> dict[str, str]:
        """For OAuth 1.0a: which methods work. Only the test tries another one."""
        auth = client.auth
        if not isinstance(auth, OAuth1):
            return {}
        name, path = next(iter(self._paths.items()))
        working = []
        for method in METHODS:
            signed = client.within(TEST_SECONDS, auth=auth.with_method(method))
            if _first_row(signed, name, path) is None:
                working.append(method)
        found = ", ".join(working) or "none"
        return {"signature methods that work": found, "configured": auth.method}


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


def _first_row(client: HttpClient, name: str, path: str) -> D118Error | None:
    """Why a collection cannot be read, None if it can."""
    try:
        page_rows(client.get(path, [("limit", "1")]), list_key(path), name)
    except D118Error as exc:
        return exc
    return None
