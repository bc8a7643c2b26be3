"""The vendor's answer to a delivery: recorded per record, rejections are findings."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from d118_pipelines.errors import AuthenticationError, ConfigurationError
from d118_pipelines.state import database as db
from d118_pipelines.workflows.targets.results import read_results
from d118_pipelines_tests.support.canaries import PERSON
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.in_process import execute, metadata
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.shared import made_once
from d118_pipelines_tests.support.sshd import Sshd
from d118_pipelines_tests.support.sync import Sync
from d118_pipelines_tests.targets.badges import FILES, SQL, YAML

RESULTS: dict[str, Any] = {
    "file": "answer_*.csv",
    "key": "Badge No",
    "column": "Badge",
    "status": "Status",
    "reason": "Message",
    "accepted": ["OK"],
    "rejected": ["ERROR", "Denied"],
}
HEADER = "Badge No,Status,Message\n"
PEOPLE = [Person(4001), Person(4002), Person(4003)]


@pytest.fixture(scope="session")
def delivered_once(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    sync = Sync(
        tmp_path_factory.mktemp("badges"),
        "badges",
        PEOPLE,
        changes={"results": RESULTS},
        files=FILES,
    )
    sync.run()
    return sync


@pytest.fixture
def badges(delivered_once: Sync, tmp_path: Path) -> Sync:
    return delivered_once.copied(tmp_path / "copy")


def drop(sync: Sync, text: str, name: str = "answer_1.csv", hours: float = 1) -> None:
    path = sync.outbox / name
    path.write_text(text)
    at = (sync.now + dt.timedelta(hours=hours)).timestamp()
    os.utime(path, (at, at))


def read(sync: Sync) -> dict[str, int]:
    return dict(read_results(sync.project, sync.target, now=sync.now))


def said(sync: Sync) -> dict[str, tuple[str, str]]:
    rows = sync.rows(db.delivery_results)
    return {row["key"]: (row["outcome"], row["reason"]) for row in rows}


def found(sync: Sync) -> set[tuple[str, str, str]]:
    return {(f.code, f.key, f.detail) for f in sync.findings()}


def test_outcomes_are_recorded_and_rejections_are_findings_with_their_reason(
    badges: Sync,
) -> None:
    drop(badges, HEADER + "4001,ok,\n4002,Error,Bad \x1b[31mroom\n4003,OK,\n")

    counts = read(badges)

    assert counts == {"files": 1, "rows": 3, "accepted": 2, "rejected": 1}
    reason = r"Bad \u001b[31mroom"
    assert said(badges) == {
        "4001": ("accepted", ""),
        "4002": ("rejected", reason),
        "4003": ("accepted", ""),
    }
    assert found(badges) == {("results.rejected", "4002", reason)}
    [delivery] = badges.deliveries()
    assert {row["delivery"] for row in badges.rows(db.delivery_results)} == {
        delivery["id"]
    }


def test_same_file_read_twice_changes_nothing(badges: Sync) -> None:
    drop(badges, HEADER + "4001,OK,\n4002,ERROR,no\n")
    read(badges)
    before = badges.rows(db.delivery_results), badges.rows(db.result_files)
    badges.next_day()

    assert read(badges) == {"files": 0}
    assert (badges.rows(db.delivery_results), badges.rows(db.result_files)) == before


def test_newer_answer_counts_in_whatever_order_the_files_are_read(
    badges: Sync,
) -> None:
    drop(badges, HEADER + "4001,OK,\n4002,OK,\n", "answer_2.csv", hours=2)
    read(badges)
    drop(badges, HEADER + "4001,ERROR,late\n4003,ERROR,no\n", "answer_1.csv", hours=1)
    read(badges)

    assert said(badges) == {
        "4001": ("accepted", ""),
        "4002": ("accepted", ""),
        "4003": ("rejected", "no"),
    }


def test_unknown_keys_and_words_are_findings_without_their_values(
    badges: Sync,
) -> None:
    rows = "9999,OK,\n9998,ERROR,x\n4001,Hm,\n4002,OK,\n4003,OK,\n"
    drop(badges, HEADER + rows)

    read(badges)

    assert found(badges) == {
        ("results.unknown_key", "", "answer_1.csv: 2 of 5 rows"),
        ("results.unknown_status", "", "answer_1.csv: 1 of 5 rows"),
    }
    assert set(said(badges)) == {"4002", "4003"}


@pytest.mark.parametrize(
    ("text", "hours", "code"),
    [
        (HEADER + "77,OK,\n78,ERROR,x\n", 1, "results.other_set"),
        (HEADER + "4001,OK,\n", -48, "results.other_set"),
        ("Badge,State\n4001,OK\n", 1, "results.unreadable"),
        (HEADER + "4001,O", 1, "results.unreadable"),
    ],
)
def test_file_that_is_no_answer_to_a_set_records_nothing(
    badges: Sync, text: str, hours: float, code: str
) -> None:
    drop(badges, text, hours=hours)

    read(badges)

    assert said(badges) == {}
    assert found(badges) == {(code, "", "answer_1.csv")}


def test_file_with_a_wrong_column_is_read_once_the_target_is_corrected(
    badges: Sync,
) -> None:
    drop(badges, "Badge,Status,Message\n4001,OK,\n")
    read(badges)
    badges.change({"results.key": "Badge"})

    read(badges)

    assert set(said(badges)) == {"4001"}
    assert found(badges) == set()


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("column", "Nothing", r"badges\.csv has no column Nothing"),
        ("of", "others", "no file of records is called others"),
        ("file", "bad*.csv", r"badges\.csv is sent under such a name"),
        ("accepted", ["denied"], "denied is in accepted too"),
    ],
)
def test_results_that_cannot_be_meant_are_misconfigured(
    badges: Sync, key: str, value: object, complaint: str
) -> None:
    badges.change({f"results.{key}": value})

    with pytest.raises(ConfigurationError, match=complaint):
        _ = badges.target


def _badges_at_server(folder: Path) -> None:
    project = ProjectFolder(folder, [Person(4001), Person(4002, first_name=PERSON)])
    (project.root / "sql/exports/badges").mkdir()
    (project.root / "sql/exports/badges/people.sql").write_text(SQL)
    target = yaml.safe_load(YAML) | {"results": RESULTS}
    (project.root / "mappings/targets/badges.yaml").write_text(yaml.safe_dump(target))


@pytest.mark.long
def test_run_reads_the_answer_at_the_server_and_no_value_leaves_the_database(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, sshd: Sshd
) -> None:
    made = made_once(tmp_path_factory, "badges_at_server", _badges_at_server)
    project = ProjectFolder.at(made).copied(tmp_path / "project")
    line = f"[127.0.0.1]:{sshd.port} {sshd.keys.public('host_ed25519')}\n"
    (project.root / "known_hosts").write_text(line)
    project.edit("mappings/targets/badges.yaml", "directory: /in", "directory: upload1")
    project.edit(
        "mappings/targets/badges.yaml",
        "password_env: BADGES_SFTP_PASSWORD",
        f"key_file: {sshd.keys.private('login')}",
    )
    project.environment["BADGES_SFTP_ADDRESS"] = f"127.0.0.1:{sshd.port}"
    project.environment["BADGES_SFTP_USERNAME"] = sshd.account
    project.deliver("badges")
    (sshd.folder / "answer_1.csv").write_text(
        HEADER + f"4001,OK,\n4002,ERROR,{PERSON} has no room\n"
    )

    result = execute(project, select=["results/badges"])

    assert result.success
    shown = metadata(result, "results/badges")
    assert {k: v.value for k, v in shown.items()} | {"rejected": 1, "rows": 2} == {
        k: v.value for k, v in shown.items()
    }
    assert all(PERSON not in str(event) for event in result.all_events)
    answer = project.d118("explain", "badges", "4002")
    assert f"{PERSON} has no room" in answer.out
    counted = project.d118("findings", "badges").out
    assert "results.rejected" in counted and PERSON in counted
    project.environment["BADGES_SFTP_USERNAME"] = "nobody-here"
    with project.entered(), pytest.raises(AuthenticationError):
        read_results(
            project.project, project.target("badges"), now=dt.datetime.now(dt.UTC)
        )
    assert "results.not_read" in project.d118("findings", "badges").out
