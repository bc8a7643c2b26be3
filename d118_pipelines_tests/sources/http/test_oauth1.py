"""OAuth 1.0a: the published check values, oauthlib's opinion, and repetitions."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oauthlib.oauth1.rfc5849 import signature as oauthlib_signature

from d118_pipelines.errors import AuthenticationError, ConfigurationError
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.http.oauth1 import OAuth1, base_string, escaped
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    Quirks,
    SignatureGate,
    failure,
)
from d118_pipelines_tests.support.scripted_http import Reply

URL = (
    "https://sis.example.org/ims/oneroster/v1p1/users?limit=100&offset=0"
    "&sort=sourcedId&orderBy=asc"
    "&filter=dateLastModified%3E%272026-08-01T00%3A00%3A00.000Z%27"
)
SIGNATURES = {
    "HMAC-SHA1": "4UNvdjNR6KC3qL+BKxDbxDehdg8=",
    "HMAC-SHA256": "wwbJHXDUSrqReqFRsq1fmxOSH967WBE2HO2VjBSw464=",
}
SECRET = "canary-consumer-secret"


@pytest.mark.parametrize("method", SIGNATURES)
def test_signatures_are_the_published_check_values(method: str) -> None:
    auth = OAuth1(
        "demo-key",
        "demo-secret",
        method=method,  # type: ignore[arg-type]
        nonce=lambda: "abc123",
    )

    header = auth.authorization("GET", URL, 1790000000)

    assert f'oauth_signature="{escaped(SIGNATURES[method])}"' in header
    assert "oauth_token" not in header
    assert "realm" not in header


def test_the_base_string_is_the_published_one() -> None:
    parameters = {
        "oauth_consumer_key": "demo-key",
        "oauth_nonce": "abc123",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "1790000000",
        "oauth_version": "1.0",
    }

    assert base_string("GET", URL, parameters) == (
        "GET&https%3A%2F%2Fsis.example.org%2Fims%2Foneroster%2Fv1p1%2Fusers&"
        "filter%3DdateLastModified%253E%25272026-08-01T00%253A00%253A00.000Z%2527"
        "%26limit%3D100%26oauth_consumer_key%3Ddemo-key%26oauth_nonce%3Dabc123"
        "%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1790000000"
        "%26oauth_version%3D1.0%26offset%3D0%26orderBy%3Dasc%26sort%3DsourcedId"
    )


@settings(max_examples=50, deadline=None)
@given(
    query=st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=5),
    host=st.sampled_from(["SIS.example:443", "sis.example:8443", "sis.example"]),
    path=st.sampled_from(["/v1/users", "/a%3D/users", "/a%3d~b"]),
    parameters=st.dictionaries(
        st.sampled_from(["oauth_nonce", "oauth_consumer_key"]), st.text(max_size=6)
    ),
)
def test_base_strings_are_those_of_oauthlib(
    query: list[tuple[str, str]], host: str, path: str, parameters: dict[str, str]
) -> None:
    text = "&".join(f"{escaped(k)}={escaped(v)}" for k, v in query)
    url = f"https://{host}{path}" + (f"?{text}" if query else "")

    collected = oauthlib_signature.collect_parameters(uri_query=text)
    theirs = oauthlib_signature.signature_base_string(
        "GET",
        oauthlib_signature.base_string_uri(url),
        oauthlib_signature.normalize_parameters([*collected, *parameters.items()]),
    )
    assert base_string("GET", url, parameters) == theirs


@pytest.mark.parametrize("method", SIGNATURES)
def test_a_server_that_checks_signatures_admits_every_page(method: str) -> None:
    gate = SignatureGate(secret=SECRET, methods=[method])
    with OneRosterServer(district(), gate=gate) as server:
        auth = OAuth1("consumer-key", SECRET, method=method)  # type: ignore[arg-type]
        with closing(HttpClient(server.url, auth=auth)) as client:
            query = [("limit", "2"), ("filter", "familyName='O Brien'&x~ü")]
            assert client.get("/users", query).status == 200
            assert client.get("/orgs").status == 200


def test_every_repetition_has_a_nonce_of_its_own() -> None:
    quirks = Quirks(replies={0: Reply(503), 1: failure(401, "unauthorisedrequest")})
    gate = SignatureGate(secret=SECRET)
    with OneRosterServer(district(), quirks=quirks, gate=gate) as server:
        auth = OAuth1("consumer-key", SECRET)
        with closing(
            HttpClient(server.url, auth=auth, jitter=lambda longest: 0.0)
        ) as client:
            assert client.get("/users").status == 200

    headers = [request.authorization or "" for request in server.requests]
    nonces = {re.findall('oauth_nonce="([^"]+)"', header)[0] for header in headers}
    assert len(nonces) == 3


def test_a_second_401_fails_and_a_clock_that_is_wrong_is_named() -> None:
    with OneRosterServer(district(), gate=SignatureGate(secret="another")) as server:
        auth = OAuth1("consumer-key", SECRET)
        with (
            closing(HttpClient(server.url, auth=auth)) as client,
            pytest.raises(AuthenticationError) as caught,
        ):
            client.get("/users")

    assert len(server.requests) == 2
    assert caught.value.what.startswith("FAILED rest.auth ")
    assert "clock" not in caught.value.what
    assert "canary" not in str(caught.value)


def test_a_clock_that_differs_is_named() -> None:
    early = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1000)
    date = early.strftime("%a, %d %b %Y %H:%M:%S GMT")
    quirks = Quirks(replies={n: Reply(401, {"Date": date}) for n in range(2)})
    with OneRosterServer(district(), quirks=quirks) as server:
        auth = OAuth1("consumer-key", SECRET)
        with (
            closing(HttpClient(server.url, auth=auth)) as client,
            pytest.raises(AuthenticationError, match=r"clock differs by 100[01] s"),
        ):
            client.get("/users")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="signature method"):
        OAuth1("key", SECRET, method="PLAINTEXT")  # type: ignore[arg-type]
