"""Dagster behind the console's sign-in: who may do what there, and what is told of it."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from d118_pipelines.service.graphql import mutations
from d118_pipelines_tests.support.console import ADMIN, URL, VIEWER, RunningConsole

LAUNCH = (
    "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }"
)
PARAMS = {"p": {"selector": {"jobName": "hr_records"}}}
# Every way that GraphQL has to write a mutation.
SPELLED = (
    LAUNCH,
    "\ufeff  # query\n mutation M { a: terminateRun(runId: 1) { __typename } }",
    "query Q { version } mutation M { wipe: deleteRun(runId: 1) { __typename } }",
    "fragment F on Mutation { setSensorCursor { __typename } } mutation { ...F }",
    "mutation { ... on Mutation { reloadWorkspace { __typename } } }",
)


def graphql(client: TestClient, query: str, **more: object) -> int:
    body = {"query": query, **more}
    return client.post("/dagster/graphql", json=body).status_code


@pytest.mark.parametrize("query", SPELLED)
def test_a_viewer_sends_no_mutation_however_it_is_written(
    console: RunningConsole, query: str
) -> None:
    viewer = console.person(VIEWER)
    console.dagster.asked.clear()

    assert graphql(viewer, query, operationName="M") == 403
    assert console.dagster.asked == []


def test_a_viewer_reads(console: RunningConsole) -> None:
    viewer = console.person(VIEWER)

    assert graphql(viewer, "query { version }") == 200
    assert viewer.get("/dagster/runs").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["report_asset_materialization/a", "graphql/x", "report_asset_check/a", "anything"],
)
def test_a_viewer_posts_nothing_else(console: RunningConsole, path: str) -> None:
    viewer = console.person(VIEWER)
    console.dagster.asked.clear()

    assert viewer.post(f"/dagster/{path}", json={}).status_code == 403
    assert console.dagster.asked == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"[]", b"{", b'{"query": 1}', b"", b'{"query": "mutation {"}', b"\xff\xfe{"),
        b'[{"query": "mutation { a }"}]',
        b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "a"}}}',
    ],
)
def test_what_nobody_can_read_does_not_reach_dagster(
    console: RunningConsole, body: bytes
) -> None:
    admin = console.person(ADMIN)
    console.dagster.asked.clear()
    headers = {"content-type": "application/json"}

    answer = admin.post("/dagster/graphql", content=body, headers=headers)

    assert answer.status_code == 400
    assert console.dagster.asked == []


def test_of_two_queries_in_one_body_the_one_that_dagster_reads_is_judged() -> None:
    body = b'{"query": "query { version }", "query": "mutation { a }"}'

    assert json.loads(body)["query"] == "mutation { a }"
    assert mutations(body) == [("a", "")]


def test_an_administrator_launches_and_the_audit_has_the_name(
    console: RunningConsole,
) -> None:
    assert graphql(console.person(ADMIN), LAUNCH, variables=PARAMS) == 200

    told = (f"console/{ADMIN}", "dagster launchRun", "hr_records")
    assert console.audited()[-1] == told


def test_a_mutation_by_get_is_refused_for_everybody(console: RunningConsole) -> None:
    admin = console.person(ADMIN)

    answer = admin.get("/dagster/graphql", params={"query": LAUNCH})

    assert answer.status_code == 405


def test_the_address_of_a_post_carries_no_mutation(console: RunningConsole) -> None:
    viewer = console.person(VIEWER)
    console.dagster.asked.clear()
    kinds = [("content-type", "text/plain"), ("content-type", "application/json")]

    answer = viewer.post(
        "/dagster/graphql",
        params={"query": LAUNCH},
        content=b'{"query": "query { version }"}',
        headers=kinds,
    )

    assert answer.status_code == 415
    assert console.dagster.asked == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-be"])
def test_a_mutation_is_read_in_any_encoding(
    console: RunningConsole, encoding: str
) -> None:
    body = json.dumps({"query": LAUNCH}).encode(encoding)
    headers = {"content-type": "application/json"}

    answer = console.person(VIEWER).post(
        "/dagster/graphql", content=body, headers=headers
    )

    assert answer.status_code == 403


def test_a_request_that_never_ends_is_too_large(console: RunningConsole) -> None:
    query = "query { version } #" + "x" * 5_000_000

    assert graphql(console.person(ADMIN), query) == 413


def test_graphql_without_a_session_is_refused(console: RunningConsole) -> None:
    assert graphql(console.person(), "query { version }") == 401


def test_a_socket_needs_a_session(console: RunningConsole) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        console.person().websocket_connect("ws://127.0.0.1/dagster/graphql"),
    ):
        pass


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.2"])
def test_a_socket_of_another_page_is_refused(
    console: RunningConsole, origin: str
) -> None:
    admin = console.person(ADMIN)
    with (
        pytest.raises(WebSocketDisconnect),
        admin.websocket_connect(
            "ws://127.0.0.1/dagster/graphql", headers={"origin": origin}
        ),
    ):
        pass


def test_a_socket_carries_subscriptions_and_no_mutation(
    console: RunningConsole,
) -> None:
    viewer = console.person(VIEWER)
    start = {"type": "start", "id": "1"}
    with viewer.websocket_connect(
        "ws://127.0.0.1/dagster/graphql", headers={"origin": URL}
    ) as socket:
        socket.send_json({**start, "payload": {"query": "subscription { logs }"}})
        assert socket.receive_text() == "heard"
        console.dagster.asked.clear()
        socket.send_json({**start, "payload": {"query": LAUNCH}})
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()

    assert console.dagster.asked == []


def test_a_body_that_is_no_object_has_no_mutations_to_tell() -> None:
    with pytest.raises(ValueError):
        mutations(b'"mutation"')
