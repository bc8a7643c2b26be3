"""What refusals mean for one user: 404, 409, other 4xx, services without PATCH."""

from __future__ import annotations

import json

import pytest

from d118_pipelines.delivery.scim.changes import ScimChange, ScimReport
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


def sent(
    service: ScriptedScim, changes: list[ScimChange], **options: object
) -> tuple[Notebook, ScimReport, list[Request]]:
    notebook = Notebook()
    with service.server() as server:
        report = provision(
            settings(server.url, **options), changes, on_outcomes=notebook
        )
    return notebook, report, server.requests[2:]  # without what it supports


def changed(
    number: int, scim_id: str | None, action: str = "update", **columns: str | None
) -> ScimChange:
    user = user_resource(row(number, **columns))
    return ScimChange(f"id-{number:05}", action, scim_id, user)  # type: ignore[arg-type]


def test_a_new_user_takes_one_request() -> None:
    service = ScriptedScim()

    notebook, report, requests = sent(service, created([row(1)]))

    assert notebook.of(1).status == "provisioned"
    assert service.users[str(notebook.of(1).scim_id)]["externalId"] == "id-00001"
    assert [(r.method, r.path) for r in requests] == [("POST", "/Users")]
    assert requests[0].authorization == "Bearer canary-scim-token"
    assert report.counts == {"provisioned": 1}
    assert report.requests == 3


def test_a_user_who_may_exist_is_looked_for_before_it_is_created() -> None:
    service = ScriptedScim()
    known = service.add(externalId="id-00001", userName="former.name")

    notebook, _, requests = sent(service, created([row(1), row(2)], look_first=True))

    assert notebook.of(1).scim_id == known
    assert service.users[known]["userName"] == "user1"
    assert len(service.users) == 2
    assert {r.method for r in requests} == {"GET", "PATCH", "POST"}


@pytest.mark.parametrize("external_id", ["id-00001", None, ""])
def test_a_user_who_exists_is_adopted_unless_claimed(external_id: str | None) -> None:
    service = ScriptedScim()
    known = service.add(userName="user1", externalId=external_id)

    notebook, _, requests = sent(service, created([row(1)]))

    assert (notebook.of(1).status, notebook.of(1).scim_id) == ("provisioned", known)
    assert service.users[known]["externalId"] == "id-00001"
    assert service.users[known]["name"]["familyName"] == "Family1"
    filters = [r.query["filter"] for r in requests if r.method == "GET"]
    assert filters[0] == 'externalId eq "id-00001"'
    assert filters[1:] in ([], ['userName eq "user1"'])


def test_the_name_of_another_user_is_a_failure_of_this_one_only() -> None:
    service = ScriptedScim()
    other = service.add(userName="user1", externalId="somebody-else")

    notebook, report, _ = sent(service, created([row(1), row(2)]))

    assert notebook.of(1).status == "failed"
    assert notebook.of(1).scim_id is None
    assert "another externalId" in notebook.of(1).error
    assert "user1" not in notebook.of(1).error
    assert service.users[other]["externalId"] == "somebody-else"
    assert report.counts == {"failed": 1, "provisioned": 1}


def test_several_users_with_the_same_external_id_are_never_adopted() -> None:
    service = ScriptedScim()
    for name in ("user1", "user1b"):
        service.add(userName=name, externalId="id-00001")

    notebook, _, requests = sent(service, created([row(1)]))

    assert notebook.of(1).status == "failed"
    assert {r.method for r in requests} == {"POST", "GET"}


def test_quotes_and_backslashes_in_a_filter_are_escaped() -> None:
    service = ScriptedScim()
    name = 'o"ne\\ or userName pr'
    known = service.add(userName=name)

    notebook, _, requests = sent(service, created([row(1, userName=name)]))

    assert notebook.of(1).scim_id == known
    asked = [r.query["filter"] for r in requests if r.method == "GET"][-1]
    assert asked == 'userName eq "o\\"ne\\\\ or userName pr"'


@pytest.mark.parametrize("external_id", ["id-00001", None])
def test_a_service_that_cannot_filter_by_external_id_is_asked_for_the_name(
    external_id: str | None,
) -> None:
    def fault(request: Request) -> Reply | None:
        is_asked = "externalId" in request.query.get("filter", "")
        return refusal(400, "invalidFilter") if is_asked else None

    service = ScriptedScim(fault=fault)
    known = service.add(userName="user1", externalId=external_id)

    notebook, _, _ = sent(service, created([row(1)], look_first=True))

    assert (notebook.of(1).status, notebook.of(1).scim_id) == ("provisioned", known)


def test_without_filters_a_conflict_is_a_failure() -> None:
    service = ScriptedScim(supports=("patch",))
    service.add(userName="user1")

    notebook, _, requests = sent(service, created([row(1)]))

    assert notebook.of(1).error == "HTTP 409 uniqueness"
    assert [r.method for r in requests] == ["POST"]


def test_an_update_is_a_patch_where_the_service_says_so() -> None:
    service = ScriptedScim()
    known = service.add(**user_resource(row(1, title="Aide")), photos=["kept"])
    change = ScimChange(
        "id-00001", "update", known, user_resource(row(1)), removed=("title",)
    )

    notebook, _, requests = sent(service, [change])

    assert (notebook.of(1).status, notebook.of(1).scim_id) == ("updated", known)
    assert [r.method for r in requests] == ["PATCH"]
    assert "title" not in service.users[known]
    assert service.users[known]["photos"] == ["kept"]


def test_without_patch_an_update_and_a_deactivation_replace_the_user() -> None:
    service = ScriptedScim(supports=("filter",))
    ids = [service.add(**user_resource(row(n))) for n in (1, 2)]

    notebook, _, requests = sent(
        service,
        [changed(1, ids[0], title="Aide"), changed(2, ids[1], "deactivate")],
    )

    assert {r.method for r in requests} == {"PUT"}
    assert service.users[ids[0]]["title"] == "Aide"
    assert service.users[ids[1]]["active"] is False
    assert service.users[ids[1]]["userName"] == "user2"
    assert (notebook.of(2).status, notebook.of(2).scim_id) == ("deleted", ids[1])


def test_a_deactivation_deletes_only_where_the_settings_say_so() -> None:
    service = ScriptedScim()
    ids = [service.add(**user_resource(row(n))) for n in (1, 2)]

    kept, _, _ = sent(service, [changed(1, ids[0], "deactivate")])
    gone, _, _ = sent(service, [changed(2, ids[1], "deactivate")], deactivate="delete")

    assert (kept.of(1).status, kept.of(1).scim_id) == ("deleted", ids[0])
    assert (gone.of(2).status, gone.of(2).scim_id) == ("deleted", None)
    assert service.users[ids[0]]["active"] is False
    assert ids[1] not in service.users


def test_a_user_who_vanished_is_created_anew_or_counts_as_deactivated() -> None:
    service = ScriptedScim()

    notebook, _, _ = sent(
        service,
        [changed(1, "gone"), changed(2, "gone", "deactivate")],
    )

    assert notebook.of(1).status == "provisioned"
    assert [user["externalId"] for user in service.users.values()] == ["id-00001"]
    assert list(service.users) == [notebook.of(1).scim_id]
    assert (notebook.of(2).status, notebook.of(2).scim_id) == ("deleted", None)


def test_an_unconfirmed_user_is_found_and_deactivated() -> None:
    service = ScriptedScim()
    known = service.add(**user_resource(row(1)))

    notebook, _, _ = sent(
        service, [changed(1, None, "deactivate"), changed(2, None, "deactivate")]
    )

    assert service.users[known]["active"] is False
    assert (notebook.of(1).status, notebook.of(1).scim_id) == ("deleted", known)
    assert (notebook.of(2).status, notebook.of(2).scim_id) == ("deleted", None)


def test_a_refused_user_fails_and_the_error_has_no_text_of_the_service() -> None:
    def fault(request: Request) -> Reply | None:
        user = json.loads(request.body) if request.method == "POST" else {}
        is_refused = user.get("userName") == "user1"
        return refusal(400, "invalidValue") if is_refused else None

    notebook, report, _ = sent(
        ScriptedScim(fault=fault), created([row(n) for n in range(3)])
    )

    assert notebook.of(1).error == "HTTP 400 invalidValue"
    assert report.counts == {"failed": 1, "provisioned": 2}


def test_an_answer_without_an_id_leaves_the_user_pending() -> None:
    def fault(request: Request) -> Reply | None:
        return Reply(201, {}, b"<html>") if request.method == "POST" else None

    notebook, _, _ = sent(ScriptedScim(fault=fault), created([row(1)]))

    assert (notebook.of(1).status, notebook.of(1).scim_id) == ("pending", None)


@pytest.mark.parametrize("supports", [("patch", "filter"), ("patch", "bulk")])
def test_a_row_that_is_no_user_fails_with_the_name_of_the_attribute(
    supports: tuple[str, ...],
) -> None:
    service = ScriptedScim(supports=supports)

    notebook, report, _ = sent(
        service, created([row(1, emails__work="canary at home"), row(2)])
    )

    assert notebook.of(1).error == "not a valid SCIM user: emails"
    assert report.counts == {"failed": 1, "provisioned": 1}
