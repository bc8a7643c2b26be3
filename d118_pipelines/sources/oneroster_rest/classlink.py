"""ClassLink: a OneRoster 1.1 service behind a proxy, or the district's own server.

Belongs here: addresses, discovery of the district's application, the key that may be
replaced. Not here: collections and pages (rest.py). Rule:
docs/reference/oneroster_rest.md, ClassLink.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from d118_pipelines.errors import ConfigurationError, D118Error, SourceError
from d118_pipelines.sources.http.bearer import Bearer
from d118_pipelines.sources.http.client import Auth, HttpClient
from d118_pipelines.sources.http.oauth1 import OAuth1, SignatureMethod
from d118_pipelines.sources.oneroster_rest.codes import unusable
from d118_pipelines.sources.oneroster_rest.collections import PATHS, in_order
from d118_pipelines.sources.oneroster_rest.rest import TEST_SECONDS, OneRosterSource
from d118_pipelines.sources.pull import ConnectionReport, PullStore

KIND = "CLASSLINK"
PROXY = "https://oneroster-proxy.classlink.io"
PATH = "/ims/oneroster/v1p1"
REVISION_HEADER = "x-perm-rev"

# Makes the client for a base address and a credential.
ClientFactory = Callable[[str, Auth], HttpClient]


@dataclass(frozen=True, slots=True)
class Application:
    """One district as the partner key sees it. `oneroster_id` is escaped already."""

    id: str
    tenant_id: str
    oneroster_id: str
    bearer: str = field(repr=False)
    is_usable: bool


@dataclass(frozen=True, slots=True)
class Server:
    """The district's own Roster Server and its OAuth 1.0a credential."""

    url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)


def proxy_base_url(oneroster_id: str, *, proxy: str = PROXY) -> str:
    """The base address behind the proxy; the id goes in as it is, escapes included.

    Raises: ConfigurationError for an id that would change the rest of the address.
    """
    if not re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+", oneroster_id):
        raise ConfigurationError(
            "The id of the OneRoster application is not escaped.",
            rule="letters, digits, -._~ and percent escapes, as ClassLink shows it",
            not_done="Nothing was contacted.",
            next_step="Copy oneroster_application_id again.",
        )
    return f"{proxy.rstrip('/')}/{oneroster_id}{PATH}"


def direct_base_url(endpoint_url: str) -> str:
    """The base address of a district's server, which may have the path already."""
    url = endpoint_url.rstrip("/")
    return url if "/ims/oneroster/" in url else url + PATH


class Discovery:
    """Reads with the partner key which districts share what.

    client: for ClassLink's partner service, with `Bearer(partner_key)`.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def within(self, seconds: float) -> Discovery:
        """The same for a quick question: no repetition, an end in time."""
        return Discovery(self._client.within(seconds))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def application(self, tenant_id: str) -> Application:
        """The usable application of one district.

        Raises: SourceError if there is none, and what `HttpClient.get` raises.
        """
        found = [_application(entry) for entry in self._applications()]
        usable = [a for a in found if a.tenant_id == tenant_id and a.is_usable]
        if len(usable) != 1:
            raise unusable(
                f"{len(usable)} usable ClassLink applications have this tenant id.",
                f"tenantId {tenant_id}",
                rule="one application that is enabled, of a tenant that is Active",
                word="not_found",
            )
        return usable[0]

    def server(self, application: Application) -> Server:
        """The district's own server. Raises: as `application`."""
        value = self._read(f"/applications/{application.oneroster_id}/server")
        found = value.get("server")
        if not isinstance(found, dict) or not found.get("endpoint_url"):
            raise _bad_payload("server")
        return Server(
            url=str(found["endpoint_url"]),
            key=str(found.get("client_id", "")),
            secret=str(found.get("client_secret", "")),
        )

    def _applications(self) -> list[dict[str, Any]]:
        found = self._read("/applications").get("applications")
        if not isinstance(found, list):
            raise _bad_payload("applications")
        return [entry for entry in found if isinstance(entry, dict)]

    def _read(self, path: str) -> Mapping[str, Any]:
        try:
            value = self._client.get(path).json()
        except ValueError:
            value = None
        if not isinstance(value, dict) or str(value.get("status")) != "1":
            raise _bad_payload(path)
        return value


def classlink_source(name: str, client: HttpClient, **options: Any) -> OneRosterSource:
    """A ClassLink service whose address and credential are known.

    options: `paths`, `paging`, `allow_empty` of OneRosterSource.
    """
    return OneRosterSource(
        name,
        client,
        version="1.1",
        revision_header=REVISION_HEADER,
        kind=KIND,
        **options,
    )


class DiscoveredSource:
    """A ClassLink district that is found by its tenant id; see RosterSource.

    make_client: from base address and credential. is_direct: the district's own server
    with OAuth 1.0a, else the proxy with the application's key. options: `paging` and
    `allow_empty` of OneRosterSource.
    """

    def __init__(
        self,
        name: str,
        discovery: Discovery,
        tenant_id: str,
        make_client: ClientFactory,
        *,
        paths: Mapping[str, str] = PATHS,
        is_direct: bool = False,
        signature_method: SignatureMethod = "HMAC-SHA1",
        proxy: str = PROXY,
        **options: Any,
    ) -> None:
        self._name, self._discovery, self._tenant_id = name, discovery, tenant_id
        self._make_client, self._is_direct = make_client, is_direct
        self._signature_method, self._proxy = signature_method, proxy
        self._paths, self._options = in_order(paths), options

    @property
    def kind(self) -> str:
        """The provider's type."""
        return KIND

    @property
    def collections(self) -> Sequence[str]:
        """The names of what `pull` writes, in the order in which it writes them."""
        return list(self._paths)

    def pull(self, store: PullStore) -> None:
        """Find the district, then read it; raises what both raise."""
        try:
            self._open(self._discovery).pull(store)
        finally:
            self._discovery.close()

    def test(self) -> ConnectionReport:
        """Find the district and test its service, without raising."""
        try:
            source = self._open(self._discovery.within(TEST_SECONDS / 2))
            return source.test(seconds=TEST_SECONDS / 2)
        except D118Error as exc:
            return ConnectionReport(False, exc.what, 0.0, {"tenantId": self._tenant_id})
        finally:
            self._discovery.close()

    def _open(self, discovery: Discovery) -> OneRosterSource:
        application = discovery.application(self._tenant_id)
        if self._is_direct:
            server = discovery.server(application)
            url = direct_base_url(server.url)
            auth: Auth = OAuth1(
                server.key, server.secret, method=self._signature_method
            )
        else:
            url = proxy_base_url(application.oneroster_id, proxy=self._proxy)
            auth = Bearer(
                application.bearer,
                read=lambda: discovery.application(self._tenant_id).bearer,
            )
        client = self._make_client(url, auth)
        return classlink_source(self._name, client, paths=self._paths, **self._options)


def _application(entry: Mapping[str, Any]) -> Application:
    is_enabled = str(entry.get("enabled")).lower() == "true"
    return Application(
        id=str(entry.get("application_id", "")),
        tenant_id=str(entry.get("tenant_id", "")),
        oneroster_id=str(entry.get("oneroster_application_id", "")),
        bearer=str(entry.get("bearer") or ""),
        is_usable=is_enabled and entry.get("tenant_status") == "Active",
    )


def _bad_payload(place: str) -> SourceError:
    return unusable(
        "ClassLink's answer is not as documented.",
        place,
        rule="status 1 and the documented keys",
    )
