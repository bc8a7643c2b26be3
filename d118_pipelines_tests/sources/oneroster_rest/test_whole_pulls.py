"""A pull is stored whole or not at all; which collections it needs and which not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from d118_pipelines.errors import (
    AuthenticationError,
    ConfigurationError,
    D118Error,
    IncompleteExtractError,
    SourceError,
    UnavailableError,
)
from d118_pipelines.sources.http.oauth2 import ClientCredentials
from d118_pipelines.sources.oneroster_rest.collections import PATHS
from d118_pipelines.sources.pull import WRITE_ROWS
from d118_pipelines_tests.sources.oneroster_rest.pulls import (
    PullCase,
    findings,
    identifiers,
    records,
)
from d118_pipelines_tests.support.oneroster_data import Row, district
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    Quirks,
    TokenGate,
)
from d118_pipelines_tests.support.scripted_http import (
    Reply,
    ScriptedServer,
    json_reply,
)

ALL = {**PATHS, "demographics": "/demographics"}
# Of orgs, sessions, courses, classes a page and the one behind it; three of users and
# of enrollments, the last of them shorter.
PAGES = 14


@contextmanager
def service(
    folder: Path,
    quirks: Quirks | None = None,
    *,
    data: dict[str, list[Row]] | None = None,
    gate: TokenGate | None = None,
    **options: Any,
) -> Iterator[PullCase]:
    """Four students and a teacher, two rows a page."""
    with OneRosterServer(data or district(4), quirks=quirks, gate=gate) as server:
        auth = None
        if gate is not None:
            secret = "canary-client-secret"
            auth = ClientCredentials(
                server.token_url, "client-id", secret, scopes=["s"]
            )
        yield PullCase(server, folder, auth=auth, page_size=2, **options)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_pull_has_every_collection_in_the_order_of_the_standard(
    version: Literal["1.1", "1.2"], tmp_path: Path
) -> None:
    data = district(4, version=version, with_demographics=True)
    with OneRosterServer(data, version=version) as server:
        case = PullCase(server, tmp_path, version=version, paths=ALL)
        pull = case.pull()

    assert list(pull.collections) == list(ALL)
    assert case.source.collections == list(ALL)
    for name, path in ALL.items():
        stored = identifiers(pull, name)
        assert stored == [row["sourcedId"] for row in data[path.strip("/")]]
        assert pull.collections[name].absence == "proven"
    assert pull.details == {"version": version}
    # Every collection is one page, behind which is asked once more.
    asked = [r.path.rsplit("/", 1)[1] for r in server.requests]
    assert asked == [path.strip("/") for path in ALL.values() for _ in range(2)]


def test_passwords_are_dropped_while_reading(tmp_path: Path) -> None:
    with service(tmp_path) as case:
        pull = case.pull()

    assert all("password" not in row for row in records(pull, "users"))
    stored = b"".join(p.read_bytes() for p in pull.folder.iterdir())
    assert b"canary-password" not in stored


@pytest.mark.parametrize("status", [400, 403, 404, 413, 500, 503])
@pytest.mark.parametrize("number", range(PAGES))
def test_d4_whatever_page_fails_no_pull_is_stored(
    number: int, status: int, tmp_path: Path
) -> None:
    # With 400 the first page of a collection is asked again without sorting.
    replies = {n: Reply(status) for n in range(number, number + 7)}
    with (
        service(tmp_path, Quirks(replies=replies)) as case,
        pytest.raises((SourceError, UnavailableError)),
    ):
        case.pull()

    assert not case.is_anything_stored()


@pytest.mark.parametrize("number", range(PAGES))
def test_p4_a_page_that_fails_for_a_moment_is_asked_again(
    number: int, tmp_path: Path
) -> None:
    replies = {
        number: Reply(503),
        number + 1: Reply(429, {"Retry-After": "7"}),
        number + 2: Reply(200, {}, b'{"users": []}', cut=3),
    }
    with service(tmp_path, Quirks(replies=replies)) as case:
        pull = case.pull()

    assert len(case.server.requests) == PAGES + 3
    assert len(identifiers(pull)) == 5
    assert case.clock.sleeps == [1, 7, 4]


def test_a4_a_429_with_a_reset_is_waited_for_and_bounded(tmp_path: Path) -> None:
    storm = Reply(429, {"X-RateLimit-Reset": "45", "X-RateLimit-Remaining": "0"})
    with service(tmp_path, Quirks(replies={3: storm})) as case:
        assert len(identifiers(case.pull())) == 5
        assert case.clock.sleeps == [45]

    endless = Quirks(replies=dict.fromkeys(range(100), storm))
    with service(tmp_path / "second", endless) as case:
        with pytest.raises(UnavailableError, match=r"rest\.rate_limited"):
            case.pull()
        assert len(case.server.requests) == 6
        assert case.clock.monotonic() <= 900


def test_a3_two_401_end_the_pull_after_one_new_token(tmp_path: Path) -> None:
    gate = TokenGate(uses=0)
    with service(tmp_path, gate=gate) as case, pytest.raises(AuthenticationError):
        case.pull()

    assert len(gate.forms) == 2
    assert not case.is_anything_stored()


@pytest.mark.parametrize("path", PATHS.values())
def test_d5_an_empty_required_collection_fails_the_pull(
    path: str, tmp_path: Path
) -> None:
    data = {**district(4), path.strip("/"): []}
    with (
        service(tmp_path, data=data) as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.empty_collection"),
    ):
        case.pull()

    assert not case.is_anything_stored()


def test_d5_an_empty_collection_that_is_allowed_proves_nothing(tmp_path: Path) -> None:
    data = {**district(4), "users": []}
    with service(tmp_path, data=data, allow_empty=True) as case:
        pull = case.pull()

    assert pull.collections["users"].rows == 0
    assert pull.collections["users"].absence == "never"
    assert pull.collections["enrollments"].absence == "proven"


@pytest.mark.parametrize("status", [403, 404])
def test_demographics_that_are_not_offered_are_left_out(
    status: int, tmp_path: Path
) -> None:
    quirks = Quirks(statuses={"demographics": status})
    with service(tmp_path, quirks, paths=ALL) as case:
        pull = case.pull()

    assert list(pull.collections) == list(PATHS)
    assert findings(pull) == {"rest.no_demographics": 1}


def test_demographics_refused_in_the_middle_leave_no_file(tmp_path: Path) -> None:
    # As many rows as are written to the file at once.
    rows = [{"sourcedId": f"U{number}"} for number in range(WRITE_ROWS)]
    begun = json_reply({"demographics": rows}, x_total_count=str(WRITE_ROWS + 1))
    quirks = Quirks(replies={PAGES: begun, PAGES + 1: Reply(403)})
    with service(tmp_path, quirks, paths=ALL) as case:
        pull = case.pull()

    assert list(pull.collections) == list(PATHS)
    assert not pull.rows_file("demographics").exists()


def test_empty_demographics_are_legal(tmp_path: Path) -> None:
    data = {**district(4), "demographics": []}
    with service(tmp_path, data=data, paths=ALL) as case:
        pull = case.pull()

    assert pull.collections["demographics"].rows == 0
    assert pull.collections["demographics"].absence == "proven"


def test_a_moved_revision_begins_the_whole_pull_anew(tmp_path: Path) -> None:
    quirks = Quirks(revisions=["1"] * 7 + ["2"])
    with service(tmp_path, quirks, revision_header="x-perm-rev") as case:
        pull = case.pull()

    assert len(case.server.requests) == 8 + PAGES
    assert len(identifiers(pull)) == 5
    assert len(case.server.asked("orgs")) == 4


def test_findings_before_a_moved_revision_are_discarded(tmp_path: Path) -> None:
    twice = [*district(4)["orgs"], district(4)["orgs"][0]]
    doubled = json_reply({"orgs": twice}, x_total_count="3", x_perm_rev="1")
    end = json_reply({"orgs": []}, x_total_count="3", x_perm_rev="1")
    quirks = Quirks(replies={0: doubled, 1: end}, revisions=["1", "1", "2"])
    with service(tmp_path, quirks, revision_header="x-perm-rev") as case:
        pull = case.pull()

    assert findings(pull) == {}
    assert len(identifiers(pull, "orgs")) == 2


def test_a_revision_that_keeps_moving_fails_after_three_pulls(tmp_path: Path) -> None:
    quirks = Quirks(revisions=[str(number) for number in range(100)])
    with (
        service(tmp_path, quirks, revision_header="x-perm-rev") as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.unstable"),
    ):
        case.pull()

    # No revision twice: each pull ends at its second request.
    assert len(case.server.asked("orgs")) == 6
    assert not case.is_anything_stored()


def test_a_redirect_to_another_server_is_never_contacted(tmp_path: Path) -> None:
    with ScriptedServer(lambda request: json_reply({"users": []})) as other:
        moved = Reply(302, {"Location": f"{other.url}/users"})
        quirks = Quirks(replies={4: moved})
        with (
            service(tmp_path, quirks, gate=TokenGate()) as case,
            pytest.raises(SourceError, match="leads to another place"),
        ):
            case.pull()

    assert other.requests == []
    assert not case.is_anything_stored()


def test_no_secret_and_no_description_is_in_errors_or_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for number, quirks in enumerate(
        [
            Quirks(statuses={"users": 403}),
            Quirks(statuses={"orgs": 401}),
            Quirks(statuses={"classes": 500}),
            Quirks(replies={2: Reply(200, {}, b"<p>canary-html Zqperson")}),
            Quirks(
                replies={2: Reply(302, {"Location": "https://canary.example/?t=1"})}
            ),
        ]
    ):
        with service(tmp_path / str(number), quirks, gate=TokenGate()) as case:
            with pytest.raises(D118Error) as caught:
                case.pull()
            text = str(caught.value).replace("canary.example", "")
            assert "canary" not in text
            assert "Zqperson" not in text

    assert "canary-" not in caplog.text


def test_paths_of_the_mapping_file_are_used_and_checked(tmp_path: Path) -> None:
    paths = {"pupils": "/students", "orgs": "/schools"}
    data = {"orgs": district(1)["orgs"], "users": district(2)["users"]}
    data |= {"schools": data["orgs"], "students": data["users"]}
    quirks = Quirks(
        replies={
            0: json_reply({"orgs": data["orgs"]}, x_total_count="2"),
            1: json_reply({"orgs": []}, x_total_count="2"),
            2: json_reply({"users": data["users"]}, x_total_count="3"),
            3: json_reply({"users": []}, x_total_count="3"),
        }
    )
    with service(tmp_path, quirks, data=data, paths=paths) as case:
        pull = case.pull()
        with pytest.raises(ConfigurationError, match="pupils"):
            PullCase(case.server, tmp_path, paths={"pupils": "/pupils"})

    assert list(pull.collections) == ["orgs", "pupils"]
    assert identifiers(pull, "pupils") == ["U0000000", "U0000001", "U9000000"]
