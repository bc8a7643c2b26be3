"""The set for Clever on a real server: its home folder, one after the other, no rest.

Rule: docs/reference/clever_sftp.md, files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines_tests.support.sshd import (
    PASSWORD,
    SshKeys,
    require_isolation,
    require_sshd,
    running_sshd,
)
from d118_pipelines_tests.targets.clever.small_district import CleverSync

SENT = ("Students.csv", "Teachers.csv", "Sections.csv")


@pytest.mark.long
@pytest.mark.real
def test_the_three_files_arrive_in_the_home_folder_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_sshd()
    require_isolation("an account with a password")
    sync = CleverSync(tmp_path / "sync")
    sync.change({"destination.address_env": "CLEVER_SFTP_ADDRESS"})
    for folder in ("keys", "base/home/customcontacts"):
        (tmp_path / folder).mkdir(parents=True)
    home = tmp_path / "base/home"
    others = {"Schools.csv": b"school\n", "Enrollments.csv": b"by another export\n"}
    for name, data in others.items():
        (home / name).write_bytes(data)
    keys = SshKeys.generate(tmp_path / "keys")

    with running_sshd(tmp_path / "base", keys) as server:
        address = f"127.0.0.1:{server.port}"
        line = f"[127.0.0.1]:{server.port} {keys.public('host_ed25519')}\n"
        (sync.project.root / "known_hosts").write_text(line, encoding="ascii")
        monkeypatch.setenv("CLEVER_SFTP_ADDRESS", address)
        monkeypatch.setenv("CLEVER_SFTP_USERNAME", server.account)
        monkeypatch.setenv("CLEVER_SFTP_PASSWORD", PASSWORD)
        made = sync.run()

    there = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    sent = {name: (made.export.folder / name).read_bytes() for name in SENT}
    assert there == {**others, **sent}
