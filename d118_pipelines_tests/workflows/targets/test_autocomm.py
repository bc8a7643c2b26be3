"""Files for PowerSchool's own import folder: approved each time, and looked after."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from d118_pipelines.delivery.folder import FolderRemote
from d118_pipelines.errors import ConfigurationError, DestinationError, HeldError
from d118_pipelines.state import database as db
from d118_pipelines.targets.definition import read_target
from d118_pipelines.workflows.targets.autocomm import NOT_PICKED_UP
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.sshd import FOLDER, Sshd
from d118_pipelines_tests.targets.badges import SQL

ALLOWED = ["Teachernumber", "HomeSchoolID"]
TARGET: dict[str, Any] = {
    "title": "Badges into PowerSchool",
    "population": {"sql": "badges_in/people.sql", "key": "users_dcid"},
    "format": {"delimiter": "\t", "quoting": "none", "newline": "crlf"},
    "files": [
        {
            "name": "badges_in",
            "file": "badges.txt",
            "record_type": "badge",
            "key": "users_dcid",
            "sort": ["users_dcid"],
            "columns": [
                {"Teachernumber": "teachernumber"},
                {"HomeSchoolID": "homeschoolid"},
            ],
        }
    ],
    "ledger": {"keep": "files"},
    "destination": {
        "protocol": "autocomm",
        "enabled": True,
        "allow": ALLOWED,
        "address_env": "AUTOCOMM",
    },
}
LOGIN = {"username_env": "AUTOCOMM_USER", "key_file": "private.pem"}
NAME = "mappings/targets/badges_in.yaml"


def write(root: Path, **changes: Any) -> Path:
    """The target; changes: keys of its destination."""
    data = TARGET | {"destination": TARGET["destination"] | changes}
    for name, text in ((NAME, yaml.safe_dump(data)), ("people.sql", SQL)):
        path = root / (name if name == NAME else f"sql/exports/badges_in/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root / NAME


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project", [Person(4001), Person(4002)])


def approved(project: ProjectFolder) -> None:
    """Approve the plan of a held run, and send it by the next."""
    with pytest.raises(HeldError, match="PowerSchool would import these records"):
        project.deliver("badges_in")
    plan = project.d118("plan", "badges_in", "--json").json()["plan_hash"]
    answer = project.d118("approve", "badges_in", plan, "--reason", "seen")
    assert answer.code == 0, answer.err
    project.deliver("badges_in")


def codes(project: ProjectFolder) -> list[tuple[str, str]]:
    return [
        (f.code, f.key) for f in project.export("badges_in").export.findings if f.code
    ]


def checked(project: ProjectFolder, inbox: Path) -> None:
    """Every delivery is held; a file of yesterday is a finding; resend is refused."""
    approved(project)
    assert (inbox / "badges.txt").read_bytes() == (
        b"Teachernumber\tHomeSchoolID\r\n4001\t5\r\n4002\t5\r\n"
    )
    made = project.export("badges_in")
    assert made.export.findings == ()  # of today: AutoComm has its time
    assert (made.plan.verdict, made.approval) == ("held", None)

    d = db.deliveries
    yesterday = dt.timedelta(days=1)
    with project.entered():
        [at] = [row.finished_at for row in project.rows(d)]
        project.change_state(sa.update(d).values(finished_at=at - yesterday))
    assert codes(project) == [(NOT_PICKED_UP, "badges.txt")]
    refused = project.d118("resend", "badges_in")
    assert (refused.code, "not sent again by itself" in refused.err) == (2, True)


@pytest.mark.long
def test_into_a_folder_of_this_machine(project: ProjectFolder, tmp_path: Path) -> None:
    write(project.root, directory="AutoComm in")
    share = tmp_path / "share"
    project.environment["AUTOCOMM"] = str(share)
    (share / "AutoComm in").mkdir(parents=True)

    checked(project, share / "AutoComm in")
    found = project.d118("doctor", "--json").json()
    told = "PowerSchool has not imported the last delivery: badges.txt"
    assert {c["found"] for c in found if c["check"] == "destination badges_in"} == {
        told
    }
    (share / "AutoComm in/badges.txt").unlink()
    assert codes(project) == []


def test_the_folder_of_somebody_else_is_never_made(tmp_path: Path) -> None:
    missing = tmp_path / "share"

    with (
        pytest.raises(DestinationError, match="open the folder"),
        FolderRemote(missing, is_ours=False),
    ):
        pass

    assert not missing.exists()


@pytest.mark.long
@pytest.mark.real
def test_into_a_folder_of_a_server(project: ProjectFolder, sshd: Sshd) -> None:
    write(project.root, directory=f"./{FOLDER}", **LOGIN)
    key = project.root / "private.pem"
    key.write_bytes(sshd.keys.private("login").read_bytes())
    key.chmod(0o600)
    line = f"[127.0.0.1]:{sshd.port} {sshd.keys.public('host_ed25519')}\n"
    (project.root / "known_hosts").write_text(line, encoding="ascii")
    project.environment |= {
        "AUTOCOMM": f"127.0.0.1:{sshd.port}",
        "AUTOCOMM_USER": sshd.account,
    }

    checked(project, sshd.folder)


@pytest.mark.long
def test_off_it_goes_to_the_outbox_and_is_held_all_the_same(
    project: ProjectFolder, tmp_path: Path
) -> None:
    write(project.root, enabled=False)
    project.environment["AUTOCOMM"] = str(tmp_path)

    approved(project)

    assert list(project.outbox("badges_in")) == ["badges.txt"]
    assert not (tmp_path / "badges.txt").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"allow": ["Teachernumber"]}, "destination.allow has no HomeSchoolID"),
        ({"allow": []}, "at least 1 item"),
        ({"username_env": "USER"}, "exactly one of password_env and key_file"),
    ],
)
def test_what_may_be_sent_is_listed(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = write(tmp_path, **changes)

    with pytest.raises(ConfigurationError, match=said):
        read_target(path, tmp_path / "sql/exports")


def test_the_files_are_separated_by_tabs(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = yaml.safe_load(path.read_text("utf-8"))
    data["format"]["delimiter"] = ","
    path.write_text(yaml.safe_dump(data), "utf-8")

    with pytest.raises(ConfigurationError, match=r'must be "\\t" for autocomm'):
        read_target(path, tmp_path / "sql/exports")
