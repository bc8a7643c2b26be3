"""The test of a connection: what it says, and that it neither raises nor waits."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from d118_pipelines.sources.http.client import Auth, HttpClient
from d118_pipelines.sources.http.oauth1 import OAuth1
from d118_pipelines.sources.http.oauth2 import ClientCredentials
from d118_pipelines.sources.oneroster_rest.collections import PATHS, scopes
from d118_pipelines.sources.oneroster_rest.rest import OneRosterSource
from d118_pipelines.sources.pull import ConnectionReport
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    Quirks,
    SignatureGate,
    TokenGate,
)
from d118_pipelines_tests.support.scripted_http import Reply, VirtualClock

ALL = {**PATHS, "demographics": "/demographics"}


def report_of(
    server: OneRosterServer, *, auth: Auth | None = None, **options: Any
) -> tuple[ConnectionReport, VirtualClock]:
    clock = VirtualClock()
    with closing(HttpClient(server.url, auth=auth, clock=clock)) as client:
        return OneRosterSource("Oak District", client, **options).test(), clock


def test_one_row_of_each_collection_is_read() -> None:
    with OneRosterServer(district(3, with_demographics=True)) as server:
        report, _ = report_of(server, paths=ALL)

    assert report.success
    assert report.message == "Successfully connected to Oak District"
    assert report.details == {"version": "1.1", **dict.fromkeys(ALL, "readable")}
    assert [r.query for r in server.requests] == [{"limit": "1"}] * len(ALL)


def test_refused_demographics_do_not_make_it_a_failure() -> None:
    quirks = Quirks(statuses={"demographics": 403})
    with OneRosterServer(district(3), quirks=quirks) as server:
        report, _ = report_of(server, paths=ALL)

    assert report.success
    assert "HTTP 403" in report.details["demographics"]


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(403), "forbidden"),
        (Reply(404), "not_found"),
        (Reply(429, {"Retry-After": "300"}), "rate_limited"),
        (Reply(503), "http"),
        (Reply(200, {}, b"<html>canary"), "bad_payload"),
        (Reply(200, {}, b"{}", cut=1), "unreachable"),
        (Reply(302, {"Location": "https://127.0.0.1:1/"}), "http"),
    ],
)
def test_a_failure_is_said_at_once_and_not_raised(reply: Reply, word: str) -> None:
    quirks = Quirks(replies=dict.fromkeys(range(20), reply))
    with OneRosterServer(district(3), quirks=quirks) as server:
        report, clock = report_of(server)

    assert not report.success
    assert report.message.startswith(f"FAILED rest.{word} ")
    assert "canary" not in report.message
    assert clock.sleeps == []


def test_nobody_listening_is_said_and_not_raised() -> None:
    with OneRosterServer(district(3)) as server:
        pass
    report, _ = report_of(server)

    assert not report.success
    assert report.message.startswith("FAILED rest.unreachable ")


@pytest.mark.parametrize(
    ("accepted", "configured", "is_good"),
    [
        (["HMAC-SHA1"], "HMAC-SHA1", True),
        (["HMAC-SHA256"], "HMAC-SHA1", False),
        (["HMAC-SHA1", "HMAC-SHA256"], "HMAC-SHA256", True),
        ([], "HMAC-SHA256", False),
    ],
)
def test_the_signature_methods_that_work_are_named(
    accepted: list[str], configured: Any, is_good: bool
) -> None:
    gate = SignatureGate(methods=accepted)
    auth = OAuth1("consumer-key", "canary-consumer-secret", method=configured)
    with OneRosterServer(district(3), gate=gate) as server:
        report, _ = report_of(server, auth=auth)

    assert report.success is is_good
    expected = ", ".join(accepted) or "none"
    assert report.details["signature methods that work"] == expected
    assert report.details["configured"] == configured
    assert "canary" not in str(report)


@pytest.mark.parametrize(
    ("secret", "is_good"), [("canary-client-secret", True), ("canary-wrong", False)]
)
def test_client_credentials_are_report_of(secret: str, is_good: bool) -> None:
    wanted, wider = scopes("1.2", with_demographics=False)
    data = district(3, version="1.2")
    with OneRosterServer(data, version="1.2", gate=TokenGate(scopes=wanted)) as server:
        auth = ClientCredentials(
            server.token_url, "client-id", secret, scopes=wanted, fallback_scope=wider
        )
        report, _ = report_of(server, auth=auth, version="1.2")

    assert report.success is is_good
    assert report.details["version"] == "1.2"
    assert "canary" not in str(report)


def test_scopes_are_those_of_the_version() -> None:
    base = "https://purl.imsglobal.org/spec/or/v1p"
    core = "scope/roster-core.readonly"

    assert scopes("1.1", with_demographics=False) == (
        [f"{base}1/{core}"],
        f"{base}1/scope/roster.readonly",
    )
    assert scopes("1.2", with_demographics=True) == (
        [f"{base}2/{core}", f"{base}2/scope/roster-demographics.readonly"],
        None,
    )
