"""Many users in one request."""

from __future__ import annotations

import json

from d118_pipelines.delivery.scim.changes import ScimChange
from d118_pipelines.delivery.scim.client import provision
from d118_pipelines.delivery.scim.resource import user_resource
from d118_pipelines_tests.support.scim_users import (
    Notebook,
    created,
    row,
    settings,
)
from d118_pipelines_tests.support.scripted_http import Reply, Request
from d118_pipelines_tests.support.scripted_scim import ScriptedScim, refusal

SUPPORTS = ("patch", "filter", "bulk")


def bulks(requests: list[Request]) -> list[list[dict[str, object]]]:
    """The operations of each bulk request."""
    return [
        json.loads(request.body)["Operations"]
        for request in requests
        if request.path == "/Bulk"
    ]


def test_creations_updates_and_deactivations_go_in_bulk() -> None:
    service, notebook = ScriptedScim(supports=SUPPORTS), Notebook()
    ids = [service.add(**user_resource(row(n))) for n in (1, 2)]
    changes = [
        *created([row(n) for n in range(10, 160)]),
        ScimChange("id-00001", "update", ids[0], user_resource(row(1, title="Aide"))),
        ScimChange("id-00002", "deactivate", ids[1], user_resource(row(2))),
    ]
    with service.server() as server:
        report = provision(settings(server.url), changes, on_outcomes=notebook)

    assert report.used == "bulk"
    assert report.counts == {"provisioned": 150, "updated": 1, "deleted": 1}
    assert [len(bulk) for bulk in bulks(server.requests)] == [1, 1, 100, 50]
    assert service.users[ids[0]]["title"] == "Aide"
    assert service.users[ids[1]]["active"] is False
    by_id = {user["externalId"]: key for key, user in service.users.items()}
    for number in range(10, 160):
        assert notebook.of(number).scim_id == by_id[f"id-{number:05}"]


def test_a_request_keeps_within_the_limits_of_the_service() -> None:
    service = ScriptedScim(supports=SUPPORTS, bulk_limits=(7, 2000))
    with service.server() as server:
        provision(
            settings(server.url),
            created([row(n) for n in range(30)]),
            on_outcomes=Notebook(),
        )

    assert len(service.users) == 30
    sent = [r for r in server.requests if r.path == "/Bulk"]
    assert max(len(r.body) for r in sent) <= 2000
    assert max(len(bulk) for bulk in bulks(sent)) <= 7


def test_conflicts_in_bulk_are_followed_up_one_by_one() -> None:
    service, notebook = ScriptedScim(supports=SUPPORTS), Notebook()
    mine = service.add(userName="user1", externalId="id-00001")
    service.add(userName="user2", externalId="somebody-else")
    with service.server() as server:
        provision(
            settings(server.url),
            [
                *created([row(n) for n in range(5)]),
                ScimChange("id-00009", "update", "gone", user_resource(row(9))),
            ],
            on_outcomes=notebook,
        )

    assert notebook.of(1).scim_id == mine
    assert notebook.of(2).status == "failed"
    assert notebook.of(9).status == "provisioned"
    assert [notebook.of(n).status for n in (0, 3, 4)] == ["provisioned"] * 3


def test_a_bulk_request_that_is_refused_as_a_whole_goes_one_by_one() -> None:
    def fault(request: Request) -> Reply | None:
        return refusal(413) if request.path == "/Bulk" else None

    service, notebook = ScriptedScim(fault=fault, supports=SUPPORTS), Notebook()
    with service.server() as server:
        provision(
            settings(server.url),
            created([row(n) for n in range(5)]),
            on_outcomes=notebook,
        )

    assert notebook.statuses() == {"provisioned"}
    assert len(service.users) == 5


def test_operations_that_were_not_done_are_done_one_by_one() -> None:
    class Forgetful(ScriptedScim):
        def _bulk(self, body: dict[str, list[object]]) -> Reply:  # type: ignore[override]
            return super()._bulk({"Operations": body["Operations"][:2]})

    service, notebook = Forgetful(supports=SUPPORTS), Notebook()
    with service.server() as server:
        provision(
            settings(server.url),
            created([row(n) for n in range(5)]),
            on_outcomes=notebook,
        )

    assert notebook.statuses() == {"provisioned"}
    assert len(service.users) == 5


def test_bulk_can_be_switched_off() -> None:
    service = ScriptedScim(supports=SUPPORTS)
    with service.server() as server:
        report = provision(
            settings(server.url, use_bulk=False, concurrency=1),
            created([row(1), row(2)]),
            on_outcomes=Notebook(),
        )

    assert report.used == "sequential"
    assert bulks(server.requests) == []
