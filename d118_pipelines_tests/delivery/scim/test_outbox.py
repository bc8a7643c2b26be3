"""The requests that would be sent, as a file."""

from __future__ import annotations

import json
from pathlib import Path

from d118_pipelines.delivery.scim.changes import ScimChange
from d118_pipelines.delivery.scim.outbox import write_requests
from d118_pipelines.delivery.scim.resource import user_resource
from d118_pipelines_tests.support.scim_users import created, row


def test_every_change_is_a_line_with_method_path_and_body(tmp_path: Path) -> None:
    user = user_resource(row(2))
    changes = [
        *created([row(1)]),
        ScimChange("id-00002", "update", "a/b", user),
        ScimChange("id-00003", "deactivate", "c", user),
    ]

    file = write_requests(tmp_path / "outbox", changes)

    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [(line["method"], line["path"].split("/")[1:]) for line in lines] == [
        ("POST", ["Users"]),
        ("PUT", ["Users", "a%2Fb"]),
        ("PATCH", ["Users", "c"]),
    ]
    assert lines[1]["body"] == user
    assert lines[2]["body"]["Operations"] == [
        {"op": "replace", "path": "active", "value": False}
    ]


def test_the_file_is_the_owners_alone_and_replaced_as_a_whole(tmp_path: Path) -> None:
    write_requests(tmp_path, created([row(1), row(2)]))
    (tmp_path / ".users.jsonl.part").write_text("left by a killed process")

    file = write_requests(tmp_path, created([row(3)]))

    assert len(file.read_text("utf-8").splitlines()) == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["users.jsonl"]
