"""ClassLink: a OneRoster 1.1 service behind a proxy, or the district's own server.

Called by `workflows/providers/provider_sources.py`. Here are addresses, discovery of
the district's application and the key that may be replaced; collections and pages are
in `rest.py`. Rule: docs/reference/oneroster_rest.md, ClassLink.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from d118_pipelines.errors import ConfigurationError, SourceError
from d118_pipelines.sources.http.bearer import Bearer
from d118_pipelines.sources.http.client import Auth, HttpClient
from d118_pipelines.sources.http.oauth1 import OAuth1, SignatureMethod
from d118_pipelines.sources.oneroster_rest.codes import unusable
from d118_pipelines.sources.oneroster_rest.rest import OneRosterSource

if TYPE_CHECKING:
    import httpx

KIND = "CLASSLINK"
PROXY = "https://oneroster-proxy.classlink.io"
PATH = "/ims/oneroster/v1p1"
REVISION_HEADER = "x-perm-rev"

T = TypeVar("T")
# Makes the client for a base address and a credential.
ClientFactory = Callable[[str, Auth], HttpClient]


@dataclass(frozen=True, slots=True)
class Application:
    """One district as the partner key sees it. `oneroster_id` is escaped already."""

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


def find_application(partner: HttpClient, tenant_id: str) -> Application:
    """The usable application of one district, read with the partner key.

    partner: asks ClassLink's partner service. Raises: SourceError if there is none or
    more than one, and what `HttpClient.get` raises.
    """
    entries = _read(partner, "/applications", "applications", list)
    found = [_application(entry) for entry in entries if isinstance(entry, dict)]
    usable = [a for a in found if a.tenant_id == tenant_id and a.is_usable]
    if len(usable) != 1:
        raise unusable(
            f"{len(usable)} usable ClassLink applications have this tenant id.",
            f"tenantId {tenant_id}",
            rule="one application that is enabled, of a tenant that is Active",
            word="not_found",
        )
    return usable[0]


def find_server(partner: HttpClient, application: Application) -> Server:
    """The district's own server. Raises: as `find_application`."""
    path = f"/applications/{application.oneroster_id}/server"
    found = _read(partner, path, "server", dict)
    if not found.get("endpoint_url"):
        raise _bad_payload(path)
    return Server(
        url=str(found["endpoint_url"]),
        key=str(found.get("client_id", "")),
        secret=str(found.get("client_secret", "")),
    )


class ReplacedKey(Bearer):
    """The key of a district's application, which the district may replace."""

    def __init__(self, key: str, partner: HttpClient, tenant_id: str) -> None:
        super().__init__(key)
        self._partner, self._tenant_id = partner, tenant_id

    def read(self) -> Generator[httpx.Request, httpx.Response, str]:
        """The present key, by the partner's own client."""
        yield from ()
        return find_application(self._partner, self._tenant_id).bearer


def classlink_source(name: str, client: HttpClient, **options: Any) -> OneRosterSource:
    """A ClassLink service whose address and credential are known.

    options: `paths`, `paging`, `allow_empty` of OneRosterSource.
    """
    return OneRosterSource(
        name, client, revision_header=REVISION_HEADER, kind=KIND, **options
    )


class DiscoveredSource(OneRosterSource):
    """A ClassLink district that is found by its tenant id.

    partner: asks ClassLink's partner service with the partner key. make_client: from
    base address and credential. is_direct: the district's own server with OAuth 1.0a,
    else the proxy with the application's key. options: as of `classlink_source`.
    """

    def __init__(
        self,
        name: str,
        partner: HttpClient,
        tenant_id: str,
        make_client: ClientFactory,
        *,
        is_direct: bool = False,
        signature_method: SignatureMethod = "HMAC-SHA1",
        proxy: str = PROXY,
        **options: Any,
    ) -> None:
        super().__init__(
            name, partner, revision_header=REVISION_HEADER, kind=KIND, **options
        )
        self._partner, self._tenant_id = partner, tenant_id
        self._make_client, self._is_direct = make_client, is_direct
        self._signature_method, self._proxy = signature_method, proxy

    def opened(self, seconds: float | None = None) -> HttpClient:
        """Find the district; half of the seconds are for that. Raises: SourceError."""
        half = None if seconds is None else seconds / 2
        partner = self._partner if half is None else self._partner.within(half)
        application = find_application(partner, self._tenant_id)
        if self._is_direct:
            server = find_server(partner, application)
            url, method = direct_base_url(server.url), self._signature_method
            auth: Auth = OAuth1(server.key, server.secret, method=method)
        else:
            url = proxy_base_url(application.oneroster_id, proxy=self._proxy)
            auth = ReplacedKey(application.bearer, partner, self._tenant_id)
        client = self._make_client(url, auth)
        return client if half is None else client.within(half)


def _application(entry: Mapping[str, Any]) -> Application:
    is_enabled = str(entry.get("enabled")).lower() == "true"
    return Application(
        tenant_id=str(entry.get("tenant_id", "")),
        oneroster_id=str(entry.get("oneroster_application_id", "")),
        bearer=str(entry.get("bearer") or ""),
        is_usable=is_enabled and entry.get("tenant_status") == "Active",
    )


def _read(partner: HttpClient, path: str, key: str, kind: type[T]) -> T:
    value = partner.get(path).json_object()
    found = value.get(key)
    if str(value.get("status")) != "1" or not isinstance(found, kind):
        raise _bad_payload(path)
    return found


def _bad_payload(place: str) -> SourceError:
    return unusable(
        "ClassLink's answer is not as documented.",
        place,
        rule="status 1 and the documented keys",
    )
