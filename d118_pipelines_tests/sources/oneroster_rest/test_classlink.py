"""ClassLink: addresses, finding a district by its tenant id, a key that is replaced."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import AuthenticationError, ConfigurationError, SourceError
from d118_pipelines.sources.http.bearer import Bearer
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.oneroster_rest.classlink import (
    DiscoveredSource,
    classlink_source,
    direct_base_url,
    find_application,
    find_server,
    proxy_base_url,
)
from d118_pipelines.sources.oneroster_rest.collections import PATHS
from d118_pipelines.sources.pull import run_pull
from d118_pipelines_tests.sources.oneroster_rest.pulls import identifiers
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import (
    BearerGate,
    OneRosterServer,
    Quirks,
    SignatureGate,
)
from d118_pipelines_tests.support.scripted_http import (
    Reply,
    Request,
    ScriptedServer,
    json_reply,
)

NOW = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)
PARTNER_KEY = "canary-partner-key"
ID = "abc%2Bx%3D"


class ClassLink:
    """The partner service, and behind it the proxy to one district's data."""

    def __init__(self, **entry: Any) -> None:
        self.gate = BearerGate("canary-first")
        self.quirks = Quirks(revisions=["7"])
        self.entry = {
            "application_id": "1",
            "oneroster_application_id": ID,
            "tenant_id": "118",
            "bearer": "canary-first",
            "enabled": "true",
            "tenant_status": "Active",
            **entry,
        }
        self.answer: Any = {
            "status": 1,
            "applications": [self.entry, {"tenant_id": "9"}],
        }
        self.server: dict[str, str] = {}

    @contextmanager
    def running(self, **options: Any) -> Iterator[tuple[DiscoveredSource, Any]]:
        with (
            OneRosterServer(district(3), quirks=self.quirks, gate=self.gate) as roster,
            ScriptedServer(self.partner) as partner,
        ):
            client = HttpClient(partner.url, auth=Bearer(PARTNER_KEY))
            source = DiscoveredSource(
                "Oak",
                client,
                "118",
                # The proxy's path leads to the roster; the id must be verbatim.
                lambda url, auth: HttpClient(url.replace(f"/{ID}/", "/"), auth=auth),
                proxy=roster.url.removesuffix("/ims/oneroster/v1p1"),
                **{"paths": PATHS, **options},
            )
            self.server.setdefault("endpoint_url", roster.url)
            yield source, roster

    def partner(self, request: Request) -> Reply:
        if request.authorization != f"Bearer {PARTNER_KEY}":
            return Reply(401)
        if request.target == f"/applications/{ID}/server":
            return json_reply({"status": 1, "server": self.server})
        return json_reply(self.answer)


def pull(source: Any, folder: Path) -> list[str]:
    stored = run_pull(
        source, folder / "oak", provider="oak", run_id="0123456789", now=NOW
    )
    return identifiers(stored)


def test_the_id_goes_into_the_address_as_it_is() -> None:
    assert proxy_base_url(ID) == (
        f"https://oneroster-proxy.classlink.io/{ID}/ims/oneroster/v1p1"
    )


@pytest.mark.parametrize("identifier", ["", "a/b", "a?b", "a%3", "a@b", "a b"])
def test_an_id_that_would_change_the_address_is_refused(identifier: str) -> None:
    with pytest.raises(ConfigurationError, match="not escaped"):
        proxy_base_url(identifier)


@pytest.mark.parametrize(
    "url",
    ["https://r.d118.example", "https://r.d118.example/ims/oneroster/v1p1/"],
)
def test_a_servers_address_has_the_path_once(url: str) -> None:
    assert direct_base_url(url) == "https://r.d118.example/ims/oneroster/v1p1"


def test_a_district_is_found_and_read_through_the_proxy(tmp_path: Path) -> None:
    with ClassLink().running() as (source, roster):
        report = source.test()
        assert report.success, report.message
        assert len(pull(source, tmp_path)) == 4

    assert source.kind == "CLASSLINK"
    assert source.collections == list(PATHS)
    assert roster.requests


def test_a_district_is_read_from_its_own_server(tmp_path: Path) -> None:
    case = ClassLink()
    case.gate = SignatureGate(methods=["HMAC-SHA256"])  # type: ignore[assignment]
    case.server = {
        "client_id": "consumer-key",
        "client_secret": "canary-consumer-secret",
    }
    options = {"is_direct": True, "signature_method": "HMAC-SHA256"}
    with case.running(**options) as (source, roster):
        assert len(pull(source, tmp_path)) == 4

    signed = [re.match("OAuth ", r.authorization or "") for r in roster.requests]
    assert all(signed)


class ReplacedKey(BearerGate):
    """A key that the district replaces after three requests."""

    def __init__(self, case: ClassLink) -> None:
        super().__init__("canary-first")
        self._case, self._requests = case, 0

    def admits(self, request: Request, url: str) -> bool:
        self._requests += 1
        if self._requests == 4:
            self.key = self._case.entry["bearer"] = "canary-second"
        return super().admits(request, url)


def test_a_replaced_key_is_read_again_and_the_request_repeated(tmp_path: Path) -> None:
    case = ClassLink()
    case.gate = ReplacedKey(case)
    with case.running() as (source, roster):
        assert len(pull(source, tmp_path)) == 4

    # Every collection is one page, behind which is asked once more.
    assert len(roster.requests) == 2 * len(PATHS) + 1


def test_a_key_that_is_still_the_same_fails_the_pull(tmp_path: Path) -> None:
    case = ClassLink()
    case.gate.key = "canary-second"
    with case.running() as (source, roster):
        with pytest.raises(AuthenticationError, match=r"rest\.auth") as caught:
            pull(source, tmp_path)
        report = source.test()

    assert len(roster.asked("orgs")) == 2
    assert "canary" not in str(caught.value) + str(report)
    assert not report.success


@pytest.mark.parametrize(
    "entry",
    [{"enabled": "false"}, {"tenant_status": "Inactive"}, {"tenant_id": "119"}],
)
def test_a_district_that_is_not_usable_is_not_read(entry: Any, tmp_path: Path) -> None:
    with ClassLink(**entry).running() as (source, roster):
        with pytest.raises(SourceError, match="0 usable ClassLink applications"):
            pull(source, tmp_path)
        report = source.test()

    assert not report.success
    assert roster.requests == []
    assert "canary" not in str(report)


@pytest.mark.parametrize(
    "answer", [{"status": 0, "applications": []}, {"status": 1}, [], {"status": "x"}]
)
def test_an_undocumented_answer_fails(answer: Any, tmp_path: Path) -> None:
    case = ClassLink()
    case.answer = answer
    with (
        case.running() as (source, _),
        pytest.raises(SourceError, match=r"rest\.bad_payload"),
    ):
        pull(source, tmp_path)


def test_a_moved_revision_begins_the_pull_anew(tmp_path: Path) -> None:
    quirks = Quirks(revisions=["7", "7", "8"])
    with OneRosterServer(district(3), quirks=quirks) as server:
        source = classlink_source("Oak", HttpClient(server.url), paths=PATHS)
        assert len(pull(source, tmp_path)) == 4

    assert len(server.asked("orgs")) == 4
    assert source.kind == "CLASSLINK"


def test_keys_are_not_shown_by_what_discovery_gives() -> None:
    case = ClassLink()
    case.server = {
        "client_id": "canary-a",
        "client_secret": "canary-b",
        "endpoint_url": "https://r.d118.example",
    }
    with (
        ScriptedServer(case.partner) as partner,
        closing(HttpClient(partner.url, auth=Bearer(PARTNER_KEY))) as client,
    ):
        application = find_application(client, "118")
        server = find_server(client, application)

    assert server.url == "https://r.d118.example"
    assert "canary" not in repr(application) + repr(server)
