"""H10 and S26: no secret and no personal value outside the files that need them.

Every personal field and every secret holds a marker; runs that end well, are held or
fail in many ways must not carry one anywhere but to the delivered files and the
ledger's last line of a profile.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d118_pipelines.errors import (
    ConfigurationError,
    D118Error,
    DestinationError,
    ExportError,
    HeldError,
    QueryError,
)
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.sync import Sync

MARK = "Qxzvk"
SECRETS = [
    "POWERSCHOOL_READ_USER",
    "POWERSCHOOL_DB_PASSWORD",
    "HRRECORDS_SFTP_USERNAME",
    "HRRECORDS_SFTP_PASSWORD",
    "SFE_SFTP_USERNAME",
    "SFE_SFTP_KEY_PASSPHRASE",
]
ADDRESS = "D118_TESTS_CLOSED_PORT"
TARGETS = ("hr_records", "smartfind")


def marked(dcid: int, **changes: object) -> Person:
    """A person whose every personal value holds the marker."""
    text = {
        name: f"{MARK} {name}"
        for name in [
            "first_name",
            "last_name",
            "middle_name",
            "home_phone",
            "street",
            "city",
            "dob",
            "gender",
            "legal_first_name",
            "personal_email",
            "sfe_position",
            "start_time",
            "end_time",
        ]
    }
    text["email_addr"] = f"{MARK}{{dcid}}@d118.example"
    return Person(dcid, **{**text, **changes})  # type: ignore[arg-type]


PEOPLE = [
    marked(4001),
    marked(4002, last_name=f"{MARK}\t|Łuk"),
    marked(4003, teachernumber=f"{MARK}12"),
    marked(4004, teachernumber=None),
    marked(4005, last_name=None),
    marked(4006, has_home_row=False),
    marked(4007, hr={"contractemp": "1"}),
    marked(4008, teachernumber=f" {MARK} "),
    marked(4010, teachernumber="77"),
    marked(4011, teachernumber="077", email_addr=f"{MARK}4001@d118.example"),
    marked(4012, days_1="M", days_2="M"),
]


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, f"{MARK}-{name}")


def stored_texts(sync: Sync) -> Iterator[tuple[str, str]]:
    """Where and what, of everything kept beside the files with people in them."""
    import pyarrow.parquet as pq

    for table in db.metadata.sorted_tables:
        for row in sync.rows(table):
            row.pop("last_line", None)
            yield table.name, str(row)
    for path in sync.project.home.rglob("*"):
        yield "name", str(path.relative_to(sync.project.home))
        if path.name == "manifest.json":
            yield str(path), path.read_text(encoding="utf-8")
        if path.name in ("plan.parquet", "outcome.parquet"):
            yield str(path), str(pq.read_table(path).to_pylist())


def leaks(sync: Sync, *errors: D118Error) -> list[str]:
    """Every place with a marker."""
    texts = list(stored_texts(sync))
    texts += [("error", "".join(traceback.format_exception(e))) for e in errors]
    return [place for place, text in texts if MARK.lower() in text.lower()]


def started(folder: Path, target: str, **changes: object) -> Sync:
    sync = Sync(folder, target, PEOPLE, changes={**changes})
    if target == "smartfind":
        sync.seed(4005)
    return sync


def failure(sync: Sync, kind: type[D118Error]) -> D118Error:
    with pytest.raises(kind) as caught:
        sync.run()
    return caught.value


def break_with_a_value(sync: Sync) -> None:
    """A rule that fails on a person's name."""
    sync.change({"rules.0.when": "CAST(first_name AS BIGINT) = 1"})


def break_a_cell(sync: Sync) -> None:
    table = sync.tables / "users.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace(",5,", f",{MARK},", 1), encoding="utf-8")


def double_a_row(sync: Sync) -> None:
    table = sync.tables / "u_humanresources.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join([*lines, lines[1]]), encoding="utf-8")


def forbid_people(sync: Sync) -> None:
    sync.change({"guard.min_rows": 1000})


def expect_no_change(sync: Sync) -> None:
    sync.run()
    sync.next_day()
    sync.change({"guard.max_drop_percent": 0, "guard.max_deactivations": 0})
    sync.set_people(PEOPLE[1:])


FAILURES = {
    break_with_a_value: ConfigurationError,
    break_a_cell: QueryError,
    double_a_row: ExportError,
    forbid_people: ExportError,
    expect_no_change: HeldError,
    Sync.break_outbox: DestinationError,
}
OF_SMARTFIND = (break_with_a_value, expect_no_change)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_h10_s26_a_delivery_keeps_personal_values_to_the_files_and_the_last_line(
    tmp_path: Path, target: str
) -> None:
    sync = started(tmp_path, target)
    if target == "hr_records":
        sync.change({"format.encoding": "cp1252"})

    sync.run()

    assert {"control_characters"} <= {code for code, _ in sync.codes()}
    assert leaks(sync) == []
    assert all(MARK.encode() in data for data in sync.files().values())
    lines = {row["record_type"]: row["last_line"] for row in sync.ledger()}
    assert {kind for kind, line in lines.items() if line} <= {"P"}


@pytest.mark.long
@pytest.mark.parametrize("cause", FAILURES, ids=lambda cause: cause.__name__)
def test_h10_s26_no_failure_names_a_secret_or_a_person(
    tmp_path: Path, cause: Callable[[Sync], None]
) -> None:
    # The way of a failure is the same for both; the files of one are enough.
    sync = started(tmp_path, "smartfind" if cause in OF_SMARTFIND else "hr_records")

    cause(sync)

    assert leaks(sync, failure(sync, FAILURES[cause])) == []


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_h10_s26_credentials_of_a_server_stay_out_of_its_errors(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, "127.0.0.1:9")
    sync = started(tmp_path, target, **{"destination.address_env": ADDRESS})
    (sync.project.root / "private.pem").write_text(f"-----{MARK}-----")

    error = failure(sync, ConfigurationError)

    assert leaks(sync, error) == []
    assert sync.deliveries()[0]["status"] == "failed"
