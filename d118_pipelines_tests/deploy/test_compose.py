"""deploy/compose: what is published, who may write where, and what goes into the image.

Docker itself is not started: the files are read.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from d118_pipelines.service.one_service import PARTS
from d118_pipelines_tests.support.project import REPOSITORY

FOLDER = REPOSITORY / "deploy/compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def test_only_the_proxy_with_sign_in_publishes_ports() -> None:
    assert {n for n, one in SERVICES.items() if "ports" in one} == {"proxy"}
    assert not [n for n, one in SERVICES.items() if one.get("network_mode") == "host"]
    mounts = SERVICES["proxy"]["volumes"]
    assert "../nginx/d118.conf:/etc/nginx/conf.d/default.conf:ro" in mounts
    needed = re.findall(
        r"/etc/nginx/(d118-north\.\w+)",
        (REPOSITORY / "deploy/nginx/d118.conf").read_text(),
    )
    mounted = {mount.split(":")[1].removeprefix("/etc/nginx/") for mount in mounts}
    assert set(needed) <= mounted


def test_every_part_runs_without_rights_and_meets_the_others_at_a_socket() -> None:
    assert set(SERVICES) == {*PARTS, "db", "proxy"}
    for part in PARTS:
        one = SERVICES[part]
        assert one["command"] == ["service", part, "--sockets", "/run/d118"]
        assert (one["user"], one["read_only"], one["cap_drop"]) == (
            "10001:10001",
            True,
            ["ALL"],
        )
        assert "sockets:/run/d118" in one["volumes"]
    for name in ("web", "view"):
        assert SERVICES[name]["network_mode"] == "service:proxy"
    assert all(one["init"] for one in SERVICES.values())


def test_what_is_named_is_declared_and_no_secret_is_written_there() -> None:
    named = {
        volume.split(":")[0] for one in SERVICES.values() for volume in one["volumes"]
    }
    assert {name for name in named if not name.startswith(".")} == set(
        COMPOSE["volumes"]
    )
    for one in SERVICES.values():
        assert set(one.get("depends_on", ())) <= set(SERVICES)
        assert set(one.get("secrets", ())) <= set(COMPOSE["secrets"])
    assert not re.search(r"PASSWORD: ", (FOLDER / "compose.yaml").read_text())
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*" and "deploy/compose/secrets" in ignored


def test_the_image_is_locked_not_root_and_has_all_that_the_package_ships() -> None:
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    last_user = [line for line in lines if line.startswith("USER ")][-1]
    copied = {
        name
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    allowed = {
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert last_user == "USER 10001:10001"
    assert copied == allowed
    assert all((REPOSITORY / name).exists() for name in copied)
    from_lines = [line for line in lines if line.startswith("FROM ")]
    assert len({line.split()[1] for line in from_lines}) == 1
