"""A target's YAML: every mistake is an error with file, line and key before anything runs.

A target of a new kind needs no Python: `test_new_target.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.definition import Target, read_target, read_targets
from d118_pipelines_tests.targets.badges import SQL, YAML
from d118_pipelines_tests.targets.examples import ROOT, target


def read(folder: Path, yaml_text: str) -> Target:
    """The target of this text, with the one SQL file that it names."""
    sql = folder / "sql/exports/badges"
    sql.mkdir(parents=True)
    (sql / "people.sql").write_text(SQL, encoding="utf-8")
    path = folder / "badges.yaml"
    path.write_text(yaml_text, encoding="utf-8")
    return read_target(path, folder / "sql/exports")


def line_of(text: str, part: str) -> int:
    [number] = [n for n, line in enumerate(text.splitlines(), 1) if part in line]
    return number


MISTAKES = {
    "unknown key": ("title: Badges", "titel: Badges", "titel", "unknown key"),
    "missing key": ("title: Badges\n", "", "title", "missing key"),
    "unknown key of a file": (
        "    record_type: badge",
        "    record_type: badge\n    recordtype: x",
        "files[0].recordtype",
        "unknown key",
    ),
    "wrong action": ("action: hold", "action: drop", "rules[1].action", "'hold'"),
    "wrong quoting": ("quoting: minimal", "quoting: some", "format.quoting", "'all'"),
    "number as text": (
        "max_drop_percent: 50",
        "max_drop_percent: fifty",
        "guard.max_drop_percent",
        "valid number",
    ),
    "number out of range": (
        "max_drop_percent: 50",
        "max_drop_percent: 101",
        "guard.max_drop_percent",
        "less than or equal to 100",
    ),
    "path in a file name": (
        "file: badges.csv",
        "file: ../badges.csv",
        "files[0].file",
        "pattern",
    ),
    "two ways to sign in": (
        "  password_env: BADGES_SFTP_PASSWORD",
        "  password_env: BADGES_SFTP_PASSWORD\n  key_file: private.pem",
        "destination",
        "exactly one of password_env and key_file",
    ),
    "no way to sign in": (
        "  password_env: BADGES_SFTP_PASSWORD\n",
        "",
        "destination",
        "exactly one of password_env and key_file",
    ),
    "bad cron": (
        "destination:",
        'schedule: {cron: "15 4 * *", deadline: "0 6 * * *"}\ndestination:',
        "schedule.cron",
        "15 4 * * is neither a cron expression nor one of: hourly, every-6-hours, twice-daily",
    ),
    "missing SQL": (
        "sql: badges/people.sql",
        "sql: badges/persons.sql",
        "population.sql",
        "sql/exports/badges/persons.sql does not exist",
    ),
    "missing finding": (
        "format: {quoting",
        "findings: [badges/gone.sql]\nformat: {quoting",
        "findings[0]",
        "sql/exports/badges/gone.sql does not exist",
    ),
    "undeclared code": (
        "code: no_number",
        "code: no_badge",
        "rules[1].code",
        "codes has no no_badge",
    ),
    "undeclared option": (
        "when: teachernumber IS NULL}",
        "when: teachernumber IS NULL, allow: friends}",
        "rules[1].allow",
        "options has no friends",
    ),
    "value outside the choices": (
        "form: short",
        "form: shrot",
        "options.form",
        "must be one of: short, long",
    ),
    "choices of no option": (
        "  form: [short, long]",
        "  size: [short, long]",
        "choices.size",
        "options has no size",
    ),
    "column that is not there": (
        "match_by: [Badge]",
        "match_by: [Badges]",
        "files[0].match_by[0]",
        "no column Badges",
    ),
    "command that is not there": (
        "    match_by",
        "    command: cmd\n    match_by",
        "files[0].command",
        "no column cmd",
    ),
    "deactivation of no column": (
        "column: Badge,",
        "column: Active,",
        "guard.deactivations[0].column",
        "badges.csv has no column Active",
    ),
    "name that SQL reads already": (
        "  - name: badges",
        "  - name: exported",
        "files[0].name",
        "exported is taken already",
    ),
    "name of an internal table": (
        "  - name: badges",
        "  - name: changes",
        "files[0].name",
        "changes is taken already",
    ),
    "header that the format cannot carry": (
        "format: {quoting: minimal}",
        "format: {quoting: none, delimiter: u}",
        "files[0].columns[1]",
        "the header cannot carry this name",
    ),
    "name that is not plain": (
        "  - name: badges",
        '  - name: "badges; DROP"',
        "files[0].name",
        "pattern",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_names_file_line_key_and_rule(tmp_path: Path, mistake: str) -> None:
    right, wrong, key, rule = MISTAKES[mistake]
    text = YAML.replace(right, wrong, 1)
    assert text != YAML

    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)

    [line] = [x for x in str(caught.value).splitlines() if f", key {key}: " in x]
    assert rule in line
    assert "badges.yaml:" in line
    shown = int(line.split("badges.yaml:")[1].split(",")[0])
    last = key.replace("]", "").replace("[", ".").split(".")[-1]
    if wrong and not last.isdigit() and f"{last}:" in wrong:
        assert f"{last}:" in text.splitlines()[shown - 1]
    assert caught.value.exit_code == 2


def test_lines_are_those_of_the_key(tmp_path: Path) -> None:
    text = YAML.replace("sort: [users_dcid DESC]", "sort: []")

    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)

    where = f"badges.yaml:{line_of(text, 'sort: []')}, key files[0].sort"
    assert where in str(caught.value)


def test_header_that_the_encoding_lacks_is_an_error(tmp_path: Path) -> None:
    text = YAML.replace("minimal}", "minimal, encoding: cp1252}")
    text = text.replace("- homeschoolid", "- Łuk: homeschoolid")

    with pytest.raises(ConfigurationError, match=r"columns\[2\]: cp1252 lacks"):
        read(tmp_path, text)

    read(tmp_path / "ë", text.replace("Łuk", "Zoë"))


def test_every_mistake_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    text = YAML.replace("code: no_number", "code: a").replace("[Badge]", "[B]")

    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)

    assert "codes has no a" in str(caught.value)
    assert "no column B" in str(caught.value)


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ("title: Badges", "title: Badges\ntitle: Again", "title"),
        ("quoting: minimal", "quoting: minimal, quoting: all", "quoting"),
        ("    file: badges.csv", "    file: badges.csv\n    file: b.csv", "file"),
    ],
)
def test_key_that_stands_twice_is_an_error_with_its_line(
    tmp_path: Path, right: str, wrong: str, key: str
) -> None:
    text = YAML.replace(right, wrong, 1)
    second = text.splitlines().index(wrong.splitlines()[-1]) + 1 if "\n" in wrong else 0

    with pytest.raises(ConfigurationError, match=f"key {key} occurs twice") as e:
        read(tmp_path, text)

    assert f"badges.yaml:{second or line_of(text, 'quoting')}" in str(e.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title: [a\nb: c", 2),
        ("a: b: c", 1),
        ("\tx: 1", 1),
        ("a: 1\nb: 'x", 2),
        ("title: !!python/name:os.system ''", 1),
        ("a: 1\n? [b]\n: 2", 2),
        ("a: *nothing", 1),
    ],
)
def test_text_that_is_no_yaml_is_an_error_with_its_line(
    tmp_path: Path, text: str, line: int
) -> None:
    with pytest.raises(ConfigurationError, match="is not valid YAML") as caught:
        read(tmp_path, text)

    assert f"Where: {tmp_path}/badges.yaml:{line}\n" in str(caught.value)


@pytest.mark.parametrize("data", [b"title: \xff", b"title: \x00", b"\xff\xfea\x00"])
def test_file_that_is_no_text_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "badges.yaml"
    path.write_bytes(data)

    with pytest.raises(ConfigurationError, match="not plain text in UTF-8"):
        read_target(path, tmp_path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "just text", "- a\n- b\n"])
def test_file_that_is_no_mapping_of_keys_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"badges\.yaml"):
        read(tmp_path, text)


def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.yaml does not exist"):
        read_target(tmp_path / "gone.yaml", tmp_path)


def test_lineage_is_what_the_sql_reads_outside_comments_and_texts(
    tmp_path: Path,
) -> None:
    found = read(tmp_path, YAML)
    path = tmp_path / "sql/exports/badges/people.sql"
    path.write_text(
        "-- raw.powerschool.comment\n/* staged.a.b\n */ SELECT 'roster.x.y', 'it''s' "
        "FROM Raw.PowerSchool.Staff, raw.powerschool.schools\n"
    )

    assert found.reads == [
        ("raw", "powerschool", "schools"),
        ("raw", "powerschool", "staff"),
    ]


def test_fingerprint_changes_with_the_yaml_and_with_each_sql_file(
    tmp_path: Path,
) -> None:
    prints = {read(tmp_path / "a", YAML).fingerprint}
    prints.add(read(tmp_path / "b", YAML + "\n").fingerprint)
    changed = read(tmp_path / "c", YAML)
    (tmp_path / "c/sql/exports/badges/people.sql").write_text(SQL + "\n")
    prints.add(changed.fingerprint)

    assert len(prints) == 3
    assert read(tmp_path / "d", YAML).fingerprint in prints


def test_project_has_its_targets_and_they_hold_together() -> None:
    names = [found.name for found in read_targets(ROOT)]

    assert names == ["clever_sftp", "hr_records", "oneroster", "scim", "smartfind"]
    assert target("oneroster").reads == []
    assert "users" in target("oneroster").roster_reads
    assert target("smartfind").reads == [
        ("raw", "powerschool", "smartfind_staff"),
        ("raw", "powerschool", "staff_without_email"),
    ]
