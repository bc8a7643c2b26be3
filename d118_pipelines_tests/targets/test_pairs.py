"""One row per pair: pupil and guardian, with a key made of two columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import ExportError
from d118_pipelines.workflows.monitoring.all_feeds import named_feed
from d118_pipelines.workflows.people.explain import explained
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.sync import Sync

YAML = """\
title: Guardians
options: {never: ["4002/G-7"]}
population:
  sql: guardians/pairs.sql
  key: users_dcid || '/' || guardian_id
rules:
  - {code: no_mail, action: hold, when: mail IS NULL}
  - {code: not_wanted, action: skip, when: "list_contains($never, users_dcid || '/' || guardian_id)"}
codes:
  no_mail: {level: error, field: mail, todo: Enter the e-mail address.}
  not_wanted: {level: information, todo: Nothing.}
format: {quoting: minimal}
files:
  - name: guardians
    file: guardians.csv
    record_type: guardian
    key: users_dcid || '/' || guardian_id
    person: users_dcid
    sort: [users_dcid, guardian_id]
    command: command
    compare_except: [command]
    match_by: [Student, Guardian]
    columns:
      - command: "ledger_command('guardian', users_dcid || '/' || guardian_id, users_dcid || '/' || guardian_id)"
      - Student: users_dcid
      - Guardian: guardian_id
      - last_name
      - mail
ledger: {cycle: run}
guard: {max_drop_percent: 30, max_adds: 4}
destination:
  address_env: GUARDIANS
  username_env: GUARDIANS_USER
  password_env: GUARDIANS_PASSWORD
  directory: "From D118/SIS files"
"""
PAIRS = """\
SELECT
    s.users_dcid, g.guardian_id, s.last_name,
    CASE WHEN s.users_dcid = 4001 AND g.guardian_id = 'G-7' THEN NULL ELSE g.mail END AS mail
FROM raw.powerschool.hr_records_staff AS s
CROSS JOIN (VALUES {pairs}) AS g (users_dcid, guardian_id, mail)
WHERE s.users_dcid = g.users_dcid
"""
FIRST = [
    (4001, "G-6"),
    (4001, "G-7"),
    (4002, "G-7"),
    (4002, "G-8"),
    (4003, "G-6"),
    (4003, "G-9"),
]
SQL = "sql/exports/guardians/pairs.sql"


def pairs_sql(pairs: list[tuple[int, str]], mail: str = "mail.example") -> str:
    values = (f"({n}, '{who}', '{who}@{mail}')" for n, who in pairs)
    return PAIRS.format(pairs=", ".join(values))


def told(sync: Sync, person: str) -> dict[str, Any]:
    return explained(named_feed(sync.project, "guardians"), person)[0]


@pytest.mark.long
def test_a_pair_is_one_record_everywhere(tmp_path: Path) -> None:
    files = {"mappings/targets/guardians.yaml": YAML, SQL: pairs_sql(FIRST)}
    people = [Person(4001), Person(4002), Person(4003, last_name="Lind")]
    sync = Sync(tmp_path, "guardians", people, files=files)

    sync.run()

    assert sync.lines("guardians.csv")[1:] == [
        "A,4001,G-6,Ruiz,G-6@mail.example",
        "A,4002,G-8,Ruiz,G-8@mail.example",
        "A,4003,G-6,Lind,G-6@mail.example",
        "A,4003,G-9,Lind,G-9@mail.example",
    ]
    assert sync.codes() == {("no_mail", "4001/G-7"), ("not_wanted", "4002/G-7")}
    keys = {row["key"] for row in sync.ledger()}
    assert keys == {"4001/G-6", "4002/G-8", "4003/G-6", "4003/G-9"}

    pupil, guardian = told(sync, "4001"), told(sync, "G-9")
    assert pupil["outcome"]["code"] == "exported"
    assert [line["key"] for line in pupil["lines"]] == ["4001/G-6"]
    assert [one["code"] for one in pupil["findings"]] == ["no_mail"]
    assert [one["record"] for one in pupil["sent"]] == ["guardian 4001/G-6"]
    assert [line["key"] for line in guardian["lines"]] == ["4003/G-9"]
    assert [one["record"] for one in guardian["sent"]] == ["guardian 4003/G-9"]

    sync.next_day()
    path = sync.project.root / SQL
    path.write_text(pairs_sql([*FIRST[:-1], (4003, "G-5")]), "utf-8")
    made = sync.run()

    counts = made.export.plan.counts["guardians"]
    assert (counts.added, counts.changed, counts.removed) == (1, 0, 1)
    assert counts.commands == {"A": 1, "C": 3}
    [change] = told(sync, "G-5")["change"]
    assert change["change"] == "add"

    path.write_text(pairs_sql(FIRST[:2]), "utf-8")
    held = sync.export()
    broken = {rule.code for rule in held.plan.rules if not rule.passed}
    assert broken == {"guard.drop_within_limit"}

    path.write_text(pairs_sql([*FIRST, FIRST[0]]), "utf-8")
    with pytest.raises(ExportError, match="4001/G-6"):
        sync.export()
