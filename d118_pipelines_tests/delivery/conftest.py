"""Destinations of both kinds, for the delivery tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines_tests.delivery.destinations import (
    Destination,
    folder_destination,
    sftp_destination,
)


@pytest.fixture(
    params=["folder", pytest.param("sftp", marks=pytest.mark.real)],
)
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """The same test on a local folder and on a real server."""
    if request.param == "folder":
        return folder_destination(tmp_path / "outbox")
    return sftp_destination(request.getfixturevalue("sshd"), tmp_path)
