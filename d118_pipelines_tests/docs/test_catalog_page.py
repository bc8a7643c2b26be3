"""docs/catalog.md followed by a new user: an empty folder, three targets, a real server.

Every line of its section "In ten minutes, to a server" runs as it stands; the second and
third target repeat the lines that name the first. The tables are the demonstration's
with fewer students.
"""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from d118_pipelines_tests.docs.markdown import page
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.sshd import PASSWORD, Sshd, require_isolation

SECTION = page("catalog.md").partition("## In ten minutes")[2]
SHOWN = "destiny_patrons"
STUDENTS = 100
SECRETS = "FITNESSGRAM_STUDENT_PASSWORD=first-Pass1\nFITNESSGRAM_STAFF_PASSWORD=a,b\n"


def blocks() -> list[str]:
    return re.findall(r"^```text\n(.*?)^```$", SECTION, re.M | re.S)


def lines() -> list[str]:
    """The commands, in order; the block of settings is none."""
    return [
        line
        for block in blocks()
        if "_ADDRESS=" not in block
        for line in block.splitlines()
    ]


def keep_some(folder: Path, other: Path) -> None:
    """The tables of `folder`, with the first students and their classes alone."""
    other.mkdir(parents=True)
    kept: set[str] = set()
    for name in sorted(path.name for path in folder.glob("*.csv")):
        (other / name).write_bytes((folder / name).read_bytes())
    for name, column in (("students", "id"), ("cc", "studentid")):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [r for r in reader if not kept or r[column] in kept]
            header = reader.fieldnames or []
        if name == "students":
            rows = [r for r in rows if r["enroll_status"] == "0"][-STUDENTS:]
            kept = {row[column] for row in rows}
        with (other / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(rows)


def settings(target: str, server: Sshd) -> str:
    """The page's lines for `.env`, with what the vendor gave."""
    [block] = [one for one in blocks() if "_ADDRESS=" in one]
    filled = block.replace(SHOWN.upper(), target.upper())
    filled = filled.replace("sftp.vendor.example", f"127.0.0.1:{server.port}")
    filled = filled.replace("=north", f"={server.account}")
    filled = filled.replace("PASSWORD=", f"PASSWORD={PASSWORD}")
    return filled + (SECRETS if target == "fitnessgram" else "")


@pytest.mark.long
@pytest.mark.real
def test_three_targets_are_delivered_by_the_lines_of_the_page(
    tmp_path: Path, demonstrated: ProjectFolder, sshd: Sshd
) -> None:
    require_isolation("a login with a password")
    made, enter, *rest = lines()
    assert ProjectFolder.at(tmp_path).d118(*shlex.split(made)[1:]).code == 0
    north = ProjectFolder.at(tmp_path / shlex.split(enter)[1])
    demonstration = north.home / "demo/powerschool"
    keep_some(demonstrated.home / "demo/powerschool", demonstration)
    of_target = [line for line in rest if SHOWN in line]

    follow(north, rest, SHOWN, sshd)
    for target in ("fitnessgram", "school_data_sync"):
        follow(north, of_target, target, sshd)

    sent = {path.name for path in sshd.folder.iterdir()}
    assert {"patrons.csv", "fitnessgram.csv", "orgs.csv", "enrollments.csv"} <= sent
    assert b"first-Pass1" in (sshd.folder / "fitnessgram.csv").read_bytes()


def follow(north: ProjectFolder, typed: list[str], target: str, server: Sshd) -> None:
    """Type the lines, for `target` in place of the shown one."""
    plan = ""
    for line in typed:
        line = line.replace(SHOWN, target)
        if not line.startswith("d118 "):
            host = f"-p {server.port} 127.0.0.1"
            command = line.replace("sftp.vendor.example", host)
            subprocess.run(command, shell=True, cwd=north.root, check=True)
            continue
        if " approve " in line:
            assert plan
            line = re.sub(r"\b[0-9a-f]{8}\b", plan, line)
        answer = north.d118(*shlex.split(line)[1:])
        is_held = line == f"d118 run {target}"
        assert answer.code == (3 if is_held else 0), line + answer.out + answer.err
        if " targets add " in line:
            assert f"{target.upper()}_SFTP_ADDRESS" in answer.out
            with (north.root / ".env").open("a", encoding="utf-8") as file:
                file.write(settings(target, server))
            yaml = f"mappings/targets/{target}.yaml"
            north.edit(yaml, 'directory: "."', "directory: upload1")
        if is_held:
            [plan] = re.findall(rf"approve {target} ([0-9a-f]{{8}})", answer.err)
            folder = re.findall(r"the files are in (\S+)", answer.err)[0]
            assert list(Path(folder).glob("*.csv"))
