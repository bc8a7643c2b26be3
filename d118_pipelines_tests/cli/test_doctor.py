"""`d118 doctor` and `test-connection`: each broken thing is named with its remedy."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from d118_pipelines.state.run_history import keep_history_private
from d118_pipelines.workflows.monitoring.connection_test import Reached
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.sshd import (
    FOLDER,
    Sshd,
)

HR_YAML = "mappings/targets/hr_records.yaml"


@pytest.fixture
def fresh(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project", PEOPLE)


def checks(project: ProjectFolder, **more: str) -> tuple[int, dict[str, str]]:
    """The exit code, and `result: found` of every check."""
    answer = project.d118("doctor", "--json", **more)
    found = {c["check"]: f"{c['result']}: {c['found']}" for c in answer.json()}
    return answer.code, found


@pytest.mark.long
def test_a_whole_installation_is_0(fresh: ProjectFolder) -> None:
    answer = fresh.d118("doctor")

    assert answer.code == 0
    assert "Nothing is wrong." in answer.out
    code, found = checks(fresh)
    assert code == 0
    assert found["configuration: targets"] == "ok: hr_records, smartfind"
    assert found["configuration: PowerSchool queries"].startswith("ok: ")
    file = fresh.home / "d118.sqlite"
    assert found["state database"] == f"ok: {file}, opened for writing"
    assert found["run history"] == f"ok: {fresh.root / '.dagster/storage'}"
    assert found["SQL hr_records"].startswith("ok: fits the declared columns")
    assert found["connection hr_records"].startswith("ok: ")
    assert found["destination hr_records"].startswith("note: HRRECORDS_SFTP_ADDRESS is")
    assert found["alerts"].startswith("note: no alerts are sent")
    assert found["D118_HOME"] == f"ok: {fresh.home}"


@pytest.mark.long
def test_a_run_history_that_others_can_read_is_told_and_closed(
    fresh: ProjectFolder,
) -> None:
    folder = fresh.root / ".dagster"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)

    _, found = checks(fresh)
    keep_history_private(fresh.root)

    assert found["run history"].endswith("(readable by others: chmod 700 .dagster)")
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.long
def test_the_way_of_alerts_is_told_without_its_address(fresh: ProjectFolder) -> None:
    _, found = checks(fresh, ALERT_WEBHOOK_URL="https://chat.example/canary")

    assert found["alerts"] == "ok: webhook"


@pytest.mark.long
def test_odd_windows_and_a_missing_disclosure_are_notes(fresh: ProjectFolder) -> None:
    past = "{name: July, from: 2020-07-01, to: 2020-07-31}"
    days = {"from": dt.date(2020, 1, 1), "to": dt.date(9999, 12, 31)}
    fresh.edit("config/district.yaml", "guard:\n", f"guard:\n  windows: [{past}]\n")
    entry = {"id": "sis", "type": "POWERSCHOOL", "name": "SIS"}
    fresh.set_providers({**entry, "guard": {"windows": [{"name": "ever", **days}]}})
    hr = fresh.root / HR_YAML
    before, _, rest = hr.read_text(encoding="utf-8").partition("disclosure:")
    hr.write_text(f"{before}schedule:{rest.partition('schedule:')[2]}", "utf-8")

    code, found = checks(fresh)

    assert code == 0
    assert found["guard of district.yaml"] == (
        "note: The guard window July ended on 2020-07-31; remove it."
    )
    assert found["guard of sis"].startswith("note: The guard window ever is open for")
    told = found["disclosure: hr_records"]
    assert told.startswith(
        "note: hr_records gets data of people, and its YAML does not"
    )
    assert "disclosure: smartfind" not in found
    assert told.removeprefix("note: ") in fresh.d118("run", "hr_records").err
    assert told.removeprefix("note: ") in fresh.d118("plan", "hr_records").out


@pytest.mark.parametrize(
    ("file", "old", "new", "where"),
    [
        (HR_YAML, "min_rows: 1", "min_row: 1", "key guard.min_row: unknown key"),
        (
            HR_YAML,
            "title: HR Records",
            "title: 7",
            "key title: input should be a valid",
        ),
        (
            "config/district.yaml",
            "time_zone: America/Chicago",
            "time_zone: America/Wauconda",
            "key time_zone: America/Wauconda is not a time zone",
        ),
        (
            "sql/powerschool/hr_records_staff.sql",
            "FROM ",
            "FROM x.",
            "sql/powerschool/hr_records_staff.sql",
        ),
    ],
    ids=["unknown key", "bad value", "time zone", "query"],
)
def test_a_mistake_in_the_configuration_is_2_with_its_place(
    fresh: ProjectFolder, file: str, old: str, new: str, where: str
) -> None:
    path = fresh.root / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    line = text[: text.index(old)].count("\n") + 1

    code, found = checks(fresh)

    wrong = [
        text
        for name, text in found.items()
        if name.startswith("configuration") and text.startswith("wrong")
    ]
    assert code == 2
    assert len(wrong) == 1
    assert where in wrong[0]
    if file.endswith(".yaml"):
        assert f"{file}:{line}, " in wrong[0]
    assert ("connection powerschool" in found) == ("district" not in file)


def test_sql_that_does_not_fit_is_1_with_its_file(fresh: ProjectFolder) -> None:
    file = "sql/exports/hr_records/people.sql"
    path = fresh.root / file
    path.write_text(path.read_text("utf-8") + "\nWHERE no_such_column", "utf-8")

    code, found = checks(fresh)

    assert code == 1
    assert found["SQL hr_records"].startswith(f"wrong: {file} cannot be run: ")
    assert "no_such_column" in found["SQL hr_records"]
    assert found["SQL smartfind"].startswith("ok: ")


@pytest.mark.long
def test_a_missing_table_is_1_and_named(fresh: ProjectFolder) -> None:
    (fresh.root / "tables/u_humanresources.csv").unlink()

    code, found = checks(fresh)

    assert code == 1
    assert found["connection powerschool"].startswith("wrong: ")
    assert "missing u_humanresources.csv" in found["connection powerschool"]
    assert found["connection hr_records"].startswith("ok: ")


@pytest.mark.long
def test_a_password_that_is_not_set_is_named(fresh: ProjectFolder) -> None:
    code, found = checks(
        fresh, HRRECORDS_SFTP_ADDRESS="127.0.0.1:1", HRRECORDS_SFTP_USERNAME="u"
    )

    assert code == 1
    assert "HRRECORDS_SFTP_PASSWORD is not set" in found["connection hr_records"]
    assert "destination hr_records" not in found


@pytest.mark.long
def test_an_oracle_login_that_is_not_set_is_named(fresh: ProjectFolder) -> None:
    code, found = checks(fresh, POWERSCHOOL_PROD_DB="127.0.0.1:1/canary")

    assert code == 1
    assert "POWERSCHOOL_READ_USER is not set" in found["connection powerschool"]


@pytest.mark.long
def test_an_address_that_is_none_is_named_without_it(fresh: ProjectFolder) -> None:
    code, found = checks(
        fresh,
        HRRECORDS_SFTP_ADDRESS="sftp://canary-address",
        HRRECORDS_SFTP_USERNAME="u",
        HRRECORDS_SFTP_PASSWORD="canary-password",
    )

    assert code == 1
    assert found["connection hr_records"].startswith("wrong: ")
    assert "HRRECORDS_SFTP_ADDRESS" in found["connection hr_records"]
    assert "canary" not in str(found)


@pytest.mark.long
def test_missing_known_hosts_are_named(fresh: ProjectFolder) -> None:
    code, found = checks(
        fresh,
        HRRECORDS_SFTP_ADDRESS="127.0.0.1:1",
        HRRECORDS_SFTP_USERNAME="u",
        HRRECORDS_SFTP_PASSWORD="canary-password",
    )

    assert code == 1
    assert "known_hosts" in found["connection hr_records"]
    assert "canary" not in str(found)


@pytest.mark.long
def test_a_missing_private_key_is_named(fresh: ProjectFolder) -> None:
    (fresh.root / "known_hosts").touch()

    code, found = checks(
        fresh, SFE_SFTP_ADDRESS="127.0.0.1:1", SFE_SFTP_USERNAME="canary-user"
    )

    assert code == 1
    assert "private.pem" in found["connection smartfind"]
    assert "canary" not in str(found)


@pytest.mark.long
def test_a_broken_state_database_is_named(fresh: ProjectFolder) -> None:
    fresh.home.mkdir()
    (fresh.home / "d118.sqlite").write_bytes(b"this is no database" * 100)

    code, found = checks(fresh)

    assert code == 1
    assert found["state database"].startswith("wrong: ")
    assert "d118.sqlite" in found["state database"]


def test_a_home_that_is_a_file_is_named(fresh: ProjectFolder) -> None:
    code, found = checks(fresh, D118_HOME="pyproject.toml")

    assert code == 1
    assert found["D118_HOME"].startswith("wrong: ")
    assert "Set D118_HOME" in found["D118_HOME"]


def test_connections_are_tested_by_name(fresh: ProjectFolder) -> None:
    source = fresh.d118("test-connection", "powerschool")
    target = fresh.d118("test-connection", "hr_records", "--json")

    assert source.code == 0
    assert source.out.startswith("OK  powerschool: ")
    told = fresh.d118("test-connection", "powerschool", "--json").json()
    assert list(told) == ["success", "message", "latency_seconds", "details"]
    found = Reached(True, "Connected.", 0.1, {"scope": "read", "rows": "3"})
    assert found.text == "Connected. scope: read; rows: 3"
    assert target.code == 0
    assert target.json()["success"] is True
    assert target.json()["latency_seconds"] >= 0


def test_a_connection_that_fails_is_1(fresh: ProjectFolder) -> None:
    (fresh.root / "tables/users.csv").unlink()

    answer = fresh.d118("test-connection", "powerschool")

    assert answer.code == 1
    assert answer.out.startswith("FAILED  powerschool: ")
    as_json = fresh.d118("test-connection", "powerschool", "--json")
    assert as_json.code == 1
    assert as_json.json()["success"] is False


@pytest.mark.long
@pytest.mark.real
def test_a_server_is_reached_with_the_project_s_key(
    project: ProjectFolder, sshd: Sshd
) -> None:
    shutil.copy(sshd.keys.private("login"), project.root / "private.pem")
    host = f"[127.0.0.1]:{sshd.port} {sshd.keys.public('host_ed25519')}\n"
    (project.root / "known_hosts").write_text(host, encoding="ascii")
    settings = {
        "SFE_SFTP_ADDRESS": f"127.0.0.1:{sshd.port}",
        "SFE_SFTP_USERNAME": sshd.account,
    }
    project.environment.update(settings)

    reached = project.d118("test-connection", "smartfind")

    assert reached.code == 0, reached.out
    assert "0 of 3 files are there" in reached.out
    assert list(sshd.folder.iterdir()) == []
    code, found = checks(project)
    assert code == 0
    assert "destination smartfind" not in found
    # What was delivered to the outbox never counts for the vendor.
    [state] = project.d118("status", "--target", "smartfind", "--json").json()
    assert state["last_delivery"] is None
    assert state["destination"] == f"$SFE_SFTP_ADDRESS:./{FOLDER}"
    project.d118("ledger", "seed", "smartfind", "--newest-dcid", "0")
    sent = project.d118("run", "smartfind")
    assert sent.code == 0, sent.err
    assert {p.name: p.read_bytes() for p in sshd.folder.iterdir()} == project.outbox(
        "smartfind"
    )
    for name in (sshd.account, "127.0.0.1"):
        assert name not in sent.out + sent.err
