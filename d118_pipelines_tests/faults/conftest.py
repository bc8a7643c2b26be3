"""What the fault tests with a real server share: the server, a line, two days."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from d118_pipelines_tests.faults.days import Days
from d118_pipelines_tests.support.server_sync import Line
from d118_pipelines_tests.support.sshd import (
    Sshd,
    SshKeys,
    can_isolate,
    running_sshd,
)


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, ssh_keys: SshKeys
) -> Iterator[Sshd]:
    """A server; its upload folder is a small disk where this account may mount one."""
    base = tmp_path_factory.mktemp("canary-home")
    with running_sshd(base, ssh_keys, disk="2m" if can_isolate() else "") as running:
        yield running


@pytest.fixture(scope="session")
def line(server: Sshd) -> Iterator[Line]:
    with Line(server.port) as running:
        yield running


@pytest.fixture(scope="session")
def smartfind_days(
    tmp_path_factory: pytest.TempPathFactory, server: Sshd, line: Line
) -> Days:
    return Days(tmp_path_factory.mktemp("smartfind"), "smartfind", server, line)


@pytest.fixture(scope="session")
def hr_records_days(
    tmp_path_factory: pytest.TempPathFactory, server: Sshd, line: Line
) -> Days:
    return Days(tmp_path_factory.mktemp("hr_records"), "hr_records", server, line)


@pytest.fixture
def days(request: pytest.FixtureRequest) -> Days:
    """The days of the target that the test is parametrized with."""
    target = request.getfixturevalue("target")
    found = request.getfixturevalue(f"{target}_days")
    assert isinstance(found, Days)
    return found
