"""Whole runs against scim2-server, which scim2-tester has found fair."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from d118_pipelines.delivery.scim.changes import ScimChange, ScimReport
from d118_pipelines.delivery.scim.client import provision
from d118_pipelines.delivery.scim.resource import (
    ENTERPRISE,
    removed_paths,
    user_resource,
)
from d118_pipelines.errors import ConnectionLostError
from d118_pipelines_tests.support.examples import some
from d118_pipelines_tests.support.scim_server import TOKEN, ScimServer
from d118_pipelines_tests.support.scim_users import (
    Notebook,
    Row,
    created,
    row,
    settings,
)

pytestmark = pytest.mark.real
BULK, PATCH = ("bulk", "patch"), ("patch",)


def change(action: str, notebook: Notebook, before: Row, after: Row) -> ScimChange:
    key = str(after["externalId"])
    return ScimChange(
        key,
        action,  # type: ignore[arg-type]
        notebook.outcomes[key].scim_id,
        user_resource(after),
        removed_paths(before, after),
    )


def run(
    server: ScimServer, changes: list[ScimChange], notebook: Notebook, **options: object
) -> ScimReport:
    return provision(settings(server.url, **options), changes, on_outcomes=notebook)


@pytest.mark.long
def test_the_tester_finds_the_server_fair(tmp_path: Path) -> None:
    with (
        ScimServer(tmp_path / "users.jsonl") as server,
        httpx2.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}
        ) as http,
    ):
        results = check_server(SyncSCIMClient(http))

    found = {(r.title, r.reason) for r in results if r.status is Status.ERROR}
    assert found == set()
    assert sum(r.status is Status.SUCCESS for r in results) > 50


@pytest.mark.parametrize("supports", some([BULK, PATCH, ()], BULK, ()))
def test_users_are_created_changed_deactivated_and_reactivated(
    tmp_path: Path, supports: tuple[str, ...]
) -> None:
    rows = [row(n, title="Aide") for n in range(300 if "bulk" in supports else 150)]
    notebook = Notebook()
    with ScimServer(tmp_path / "users.jsonl", supports=supports) as server:
        report = run(server, created(rows), notebook)
        assert report.counts == {"provisioned": len(rows)}
        assert report.used == ("bulk" if "bulk" in supports else "concurrent")

        changed = [
            row(n, name__familyName="Changed", enterprise__employeeNumber=None)
            for n in range(10)
        ]
        gone = [row(n, active="false") for n in range(10, 20)]
        changes = [
            change("update", notebook, rows[n], changed[n]) for n in range(10)
        ] + [change("deactivate", notebook, rows[10 + n], gone[n]) for n in range(10)]
        report = run(server, changes, notebook)
        assert report.counts == {"updated": 10, "deleted": 10}

        back = [change("update", notebook, gone[0], rows[10])]
        assert run(server, back, notebook).counts == {"updated": 1}

        users = {user["externalId"]: user for user in server.users()}
        assert server.writes() == {"create": len(rows), "update": 21}
    assert len(users) == len(rows)
    assert users["id-00000"]["name"]["familyName"] == "Changed"
    assert "title" not in users["id-00000"]
    assert ENTERPRISE not in users["id-00000"]
    assert [users[f"id-{n:05}"]["active"] for n in (9, 10, 11, 19, 20)] == [
        True,
        True,
        False,
        False,
        True,
    ]
    for key, user in users.items():
        assert notebook.outcomes[key].scim_id == user["id"]


@pytest.mark.parametrize("supports", some([BULK, PATCH], BULK))
def test_a_server_killed_in_the_middle_has_every_user_once_in_the_end(
    tmp_path: Path, supports: tuple[str, ...]
) -> None:
    rows = [row(n) for n in range(250)]
    notebook = Notebook()
    store = tmp_path / "users.jsonl"
    with ScimServer(store, supports=supports, die_after=130) as server:
        with pytest.raises(ConnectionLostError):
            run(server, created(rows), notebook)
        assert len(server.users()) == 130
        assert 90 <= len(notebook.outcomes) < 130

        server.restart()
        # A user without confirmation may have another name by now.
        rows[129]["userName"] = "another.name"
        left = [r for r in rows if r["externalId"] not in notebook.outcomes]
        run(server, created(left, look_first=True), notebook)

        users = server.users()
    assert sorted(user["externalId"] for user in users) == [
        str(r["externalId"]) for r in rows
    ]
    assert notebook.statuses() == {"provisioned"}
    assert {o.scim_id for o in notebook.outcomes.values()} == {u["id"] for u in users}
    assert "another.name" in {user["userName"] for user in users}
