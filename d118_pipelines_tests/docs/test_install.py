"""docs/install.md followed in a fresh folder, with its databases on a PostgreSQL server.

What needs an administrator (accounts, packages, systemd, nginx) is only read here: the
units and the proxy's file run in `deploy/`.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from d118_pipelines_tests.docs.markdown import REPOSITORY, page
from d118_pipelines_tests.support.postgres import empty_database
from d118_pipelines_tests.support.project import ProjectFolder

PAGE = page("install.md")
FOLDER = "/srv/d118/north"
COMMAND = "d118-north "
# Of administrators; a misspelt one is not among them.
KNOWN = {"apt-get", "git", "make", "useradd", "install", "tee", "chmod", "chgrp", "cp"}
KNOWN |= {"systemctl", "nginx", "printf", "echo", "ssh-keyscan", "-u", "rm", "*/10"}
# 1: the daemon does not run in this test; 2: there is no plan of that hash.
MAY_END_WITH = {"status --check": {0, 1}, "approve smartfind": {2}}


def blocks() -> list[str]:
    return re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S)


def lines() -> list[str]:
    settings = "DATABASE_URL="
    return [
        line
        for block in blocks()
        if not block.startswith(settings)
        for line in block.splitlines()
    ]


def test_every_other_command_is_known_and_its_files_are_there() -> None:
    for line in lines():
        words = line.removeprefix("sudo ").split()
        assert line.startswith(COMMAND) or words[0] in KNOWN, line
        for path in re.findall(r"/opt/d118/((?:deploy|config|docs)[\w./-]*)", line):
            assert (REPOSITORY / path).exists(), line


@pytest.mark.long
@pytest.mark.real
def test_the_page_leads_to_delivered_files(tmp_path: Path) -> None:
    north = tmp_path / "north"
    place = ProjectFolder.at(tmp_path)
    [made] = [line for line in lines() if " init " in line]
    words = shlex.split(made.partition("/bin/")[2].replace(FOLDER, str(north)))
    assert place.d118(*words[1:]).code == 0
    folder = ProjectFolder.at(north)

    for line in (line for line in lines() if line.startswith(COMMAND)):
        rest = line.removeprefix(COMMAND).partition(" >")[0]
        answer = folder.d118("--project", str(north), *shlex.split(rest))
        wanted = next((c for n, c in MAY_END_WITH.items() if n in rest), {0})
        assert answer.code in wanted, f"{line}\n{answer.out}{answer.err}"
        if rest == "customize deploy/postgres":
            [settings] = [b for b in blocks() if b.startswith("DATABASE_URL=")]
            url = empty_database()
            settings = settings.replace(
                "postgresql:///d118_north?host=/var/run/postgresql", url
            )
            other = url.replace("postgresql:", "postgresql+psycopg2:", 1)
            settings = settings.replace(
                "postgresql+psycopg2:///d118_north?host=/var/run/postgresql", other
            )
            (north / ".env").write_text(settings.replace(FOLDER, str(north)))

    assert (north / "var/outbox/smartfind/P1ProfileBasic.csv").is_file()
    states = folder.d118("--project", str(north), "doctor", "--json").json()
    found = {one["check"]: one["found"] for one in states}
    assert "d118.sqlite" not in found["state database"]
    assert found["run history"].count("empty_") == 1
