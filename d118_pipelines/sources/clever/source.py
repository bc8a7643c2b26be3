"""A district's roster, read from the Clever Data API.

Called by `workflows/providers/provider_sources.py`. Here is which lists make a pull,
and when it is complete; pages are in `pages.py`, the token in `token.py`, people in
`people.py`, findings in `notes.py`. Rule: docs/reference/clever_api.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from d118_pipelines.errors import (
    ConfigurationError,
    D118Error,
    FatalError,
    IncompleteExtractError,
)
from d118_pipelines.sources.clever.notes import Notes
from d118_pipelines.sources.clever.pages import NOT_STORED, ListReader, Record
from d118_pipelines.sources.clever.people import V2_LISTS, from_v2, kept, wanted_roles
from d118_pipelines.sources.clever.token import DistrictToken
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.http.timing import Clock
from d118_pipelines.sources.http.transport import HttpLimits
from d118_pipelines.sources.pull import ConnectionReport, PullStore, try_each

VERSIONS = ("v3.0", "v3.1", "v2.1", "v2.0")
LISTS = ("districts", "schools", "terms", "courses", "users", "sections")
# An empty one of these cannot be right.
NEVER_EMPTY = ("schools", "users", "sections")
LONGEST_WAIT = 120.0
TEST_SECONDS = 10.0


def school_year_of(day: dt.date) -> tuple[dt.date, dt.date]:
    """First and last day of the school year of that day: 1 July to 30 June."""
    first = day.year if day.month >= 7 else day.year - 1
    return dt.date(first, 7, 1), dt.date(first + 1, 6, 30)


@dataclass(frozen=True, slots=True)
class WantedList:
    """One list that is read with a cursor of its own, and where it is stored.

    v2_role: the role of all people in it, where the list is one of v2.
    """

    collection: str
    title: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    v2_role: str | None = None


class CleverSource:
    """Clever as a `RosterSource`; people of v2 are written in the shape of v3.

    access_token, or client_id with client_secret; with all three a refused token is
    read again. base_url: without the version. school_year: first and last day, for
    sections without a dated term. allow_empty: collections that may be empty.
    rate_limit: seconds between two requests. Raises: ConfigurationError.
    """

    kind = "CLEVER"
    collections = ("districts", "school_year", *LISTS[1:])

    def __init__(
        self,
        *,
        district_id: str,
        access_token: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        api_version: str = "v3.0",
        base_url: str = "https://api.clever.com",
        token_url: str = "https://clever.com/oauth/tokens",
        school_year: tuple[dt.date, dt.date],
        with_contacts: bool = False,
        allow_empty: Collection[str] = (),
        rate_limit: float = 0.2,
        requests_per_minute: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        if api_version not in VERSIONS:
            raise _unknown_version()
        self._district, self._school_year = district_id, school_year
        self._allow_empty = allow_empty
        # v2.0 is v2.1 with fewer fields.
        version = api_version.replace("v2.0", "v2.1")
        self._wanted = list(_wanted(version == "v2.1", wanted_roles(with_contacts)))
        login = (client_id, client_secret) if client_id and client_secret else None
        self._client = HttpClient(
            f"{base_url.rstrip('/')}/{version}",
            auth=DistrictToken(district_id, access_token, login, token_url),
            code="clever",
            limits=HttpLimits(wait=LONGEST_WAIT),
            min_interval=rate_limit,
            requests_per_minute=requests_per_minute,
            clock=clock,
        )

    def test(self) -> ConnectionReport:
        """Ask for one object of every list, within 10 seconds, token included."""
        quick = self._client.within(TEST_SECONDS)
        started = quick.clock.monotonic()
        with closing(self._client):
            tried = try_each(self._wanted, lambda wanted: self._glance(quick, wanted))
        refused = {w.title: error for w, error in tried if error is not None}
        first = next(iter(refused.values()), None)
        return ConnectionReport(
            success=first is None,
            message=first.what if first else "Successfully connected to Clever",
            latency_seconds=round(quick.clock.monotonic() - started, 3),
            details={
                "readable": ", ".join(w.title for w, error in tried if error is None),
                "refused": ", ".join(refused),
            },
        )

    def _glance(self, client: HttpClient, wanted: WantedList) -> None:
        reader = ListReader(client, wanted.path, wanted.query, page_size=1)
        for record in next(reader.pages()):
            self._checked(wanted, record)

    def pull(self, store: PullStore) -> None:
        """Read every list to its end.

        Raises: what pages.py and the client raise; IncompleteExtractError
        (`clever.empty_collection`), FatalError
        (`clever.wrong_district`).
        """
        notes = Notes(self._client.clock.now())
        with closing(self._client):
            for name in LISTS:
                self._pull_collection(store, name, notes)
                if name == "districts":
                    self._write_school_year(store)
        store.findings += notes.findings()

    def _pull_collection(self, store: PullStore, name: str, notes: Notes) -> None:
        writer = store.collection(name)
        size = 0
        for wanted in self._wanted:
            if wanted.collection != name:
                continue
            reader = ListReader(self._client, wanted.path, wanted.query)
            for page in reader.pages():
                records = [self._checked(wanted, record) for record in page]
                for record in records:
                    notes.look(name, record)
                writer.add_page(records)
            size += reader.size_bytes
        if not writer.rows and name in NEVER_EMPTY and name not in self._allow_empty:
            raise _empty(name)
        # The chain of next links ended: what is absent is gone.
        writer.finish(absence="proven", size_bytes=size)

    def _checked(self, wanted: WantedList, record: Record) -> Record:
        """The object as it is stored; one of another district never is."""
        is_district = wanted.collection == "districts"
        owner = record["id"] if is_district else record.get("district")
        if owner not in (None, self._district):
            raise _wrong_district(wanted.title)
        return kept(from_v2(record, wanted.v2_role) if wanted.v2_role else record)

    def _write_school_year(self, store: PullStore) -> None:
        """The session that takes the place of a missing term; not from Clever."""
        first, last = self._school_year
        year = school_year_of(last)[1].year
        record = {
            "id": f"{self._district}-year-{year}",
            "district": self._district,
            "start_date": first.isoformat(),
            "end_date": last.isoformat(),
        }
        writer = store.collection("school_year")
        writer.add_page([record])
        writer.finish(absence="proven")


def _wanted(is_v2: bool, roles: Sequence[str]) -> Iterator[WantedList]:
    for name in LISTS:
        if name != "users":
            yield WantedList(name, name, f"/{name}")
            continue
        for role in roles:
            if is_v2:
                people = V2_LISTS[role]
                yield WantedList(name, people, f"/{people}", v2_role=role)
            else:
                query = (("role", role),)
                yield WantedList(name, f"users ({role})", "/users", query)


def _wrong_district(title: str) -> D118Error:
    return FatalError(
        "FAILED clever.wrong_district  The token reads another district.",
        where=title,
        rule="every object belongs to districtId",
        not_done=NOT_STORED,
        next_step="Correct districtId or the token of this provider.",
    )


def _empty(name: str) -> D118Error:
    return IncompleteExtractError(
        f"FAILED clever.empty_collection  Clever sent no {name} at all.",
        rule="schools, users and sections are never empty",
        not_done=NOT_STORED,
        next_step="Check in Clever what the district shares; if it may be empty, "
        f"add {name} to allowEmpty of this provider.",
    )


def _unknown_version() -> D118Error:
    return ConfigurationError(
        "This version of the Clever API is not supported.",
        rule="api_version is one of " + ", ".join(VERSIONS),
        not_done="Nothing was contacted.",
        next_step="Correct api_version of this provider.",
    )
