"""Two districts on one machine, at work at the same time under one shell's environment."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from d118_pipelines.workflows.upkeep.district_folder import copy_shipped, make_folder
from d118_pipelines_tests.support.district import Person, write_tables
from d118_pipelines_tests.support.project import HANGS_AFTER_SECONDS, program
from d118_pipelines_tests.support.sshd import Sshd, SshKeys, running_sshd

pytestmark = [pytest.mark.long, pytest.mark.real]
TARGET = "mappings/targets/hr_records.yaml"
DCIDS = {"north": range(4000, 4005), "south": range(5000, 5007)}


@pytest.fixture
def servers(tmp_path: Path, ssh_keys: SshKeys) -> Iterator[dict[str, Sshd]]:
    """Each district's own vendor."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(running_sshd(made(tmp_path / name), ssh_keys))
            for name in DCIDS
        }


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def settings(name: str, folder: Path, server: Sshd) -> dict[str, str]:
    return {
        "POWERSCHOOL_CSV_DIR": str(folder / "tables"),
        "HRRECORDS_SFTP_ADDRESS": f"127.0.0.1:{server.port}",
        "HRRECORDS_SFTP_USERNAME": server.account,
        "D118_HOME": f"var_{name}",
    }


def district(folder: Path, name: str, server: Sshd) -> None:
    """A folder with this district's people, target and `.env`."""
    make_folder(folder, name=name, time_zone="America/Chicago")
    write_tables(
        folder / "tables",
        [Person(n, email_addr=f"p{n}@{name}.example") for n in DCIDS[name]],
    )
    copy_shipped(folder, TARGET)
    text = (folder / TARGET).read_text()
    text = text.replace("/syncNine/Inbound", "./upload1")
    text = text.replace(
        "password_env: HRRECORDS_SFTP_PASSWORD", "key_file: private.pem"
    )
    (folder / TARGET).write_text(text)
    (folder / "private.pem").write_bytes(server.keys.private("login").read_bytes())
    (folder / "private.pem").chmod(0o600)
    host = f"[127.0.0.1]:{server.port}"
    keys = [f"{host} {server.keys.public(k)}\n" for k in ("host_ed25519", "host_rsa")]
    (folder / "known_hosts").write_text("".join(keys))
    lines = [f"{k}={v}\n" for k, v in settings(name, folder, server).items()]
    (folder / ".env").write_text("".join(lines))


def started(folder: Path, foreign: dict[str, str]) -> subprocess.Popen[str]:
    """`d118 --project FOLDER run hr_records` in a shell with another's variables."""
    basis = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "LANG": "C.UTF-8"}
    return subprocess.Popen(
        [program("d118"), "--project", str(folder), "run", "hr_records"],
        cwd=folder.parent,
        env={**basis, "TMPDIR": tempfile.gettempdir(), **foreign},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_neither_receives_a_row_of_the_other_and_a_broken_one_stops_nothing(
    tmp_path: Path, servers: dict[str, Sshd]
) -> None:
    folders = {name: tmp_path / f"districts/{name}" for name in DCIDS}
    variables = {n: settings(n, folders[n], servers[n]) for n in DCIDS}
    for name in DCIDS:
        district(folders[name], name, servers[name])
    broken = tmp_path / "districts/broken"
    make_folder(broken, name="Broken", time_zone="America/Chicago")
    (broken / "config/district.yaml").write_text("id: [")

    processes = {
        "north": started(folders["north"], variables["south"]),
        "south": started(folders["south"], variables["north"]),
        "broken": started(broken, {**variables["north"], "DAGSTER_HOME": str(broken)}),
    }
    answers = {
        n: p.communicate(timeout=HANGS_AFTER_SECONDS) for n, p in processes.items()
    }
    codes = {name: process.returncode for name, process in processes.items()}

    assert codes == {"north": 0, "south": 0, "broken": 2}, answers
    for name, other in (("north", "south"), ("south", "north")):
        sent = (servers[name].folder / "StaffData.txt").read_text()
        _, *people = sent.splitlines()
        assert len(people) == len(DCIDS[name])
        assert all(f"@{name}.example" in line for line in people)
        assert f"@{other}.example" not in sent
        assert (folders[name] / f"var_{name}/d118.sqlite").is_file()
        assert (folders[name] / ".dagster").is_dir()
        assert not (folders[name] / f"var_{other}").exists()
