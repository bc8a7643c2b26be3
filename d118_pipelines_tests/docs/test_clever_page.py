"""docs/reference/clever_sftp.md says what Clever's target does, and which tests show it."""

from __future__ import annotations

import re

from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines_tests.docs.markdown import (
    REPOSITORY,
    page,
    tables_headed,
    ticked,
)

PAGE = page("reference/clever_sftp.md")
TESTS = REPOSITORY / "d118_pipelines_tests/targets/clever"


def clever() -> Target:
    path = REPOSITORY / "mappings/targets/clever_sftp.yaml"
    return read_target(path, REPOSITORY / "sql/exports")


def test_every_fault_names_a_test() -> None:
    [rows] = tables_headed(PAGE, "the earlier scripts", "now", "test")

    named = {name for row in rows for name in ticked(row["test"])}
    text = "".join(path.read_text("utf-8") for path in TESTS.glob("test_*.py"))
    assert named <= set(re.findall(r"^def (test_\w+)", text, re.M))
    assert len(rows) > 20


def test_every_setting_that_is_off_is_on_the_page() -> None:
    [rows] = tables_headed(PAGE, "option", "what it does")
    options = clever().model.options

    off = {name for name, value in options.items() if value is False}
    shown = {name for row in rows for name in ticked(row["option"])}
    assert shown == {name for name in off if not name.startswith("deliver_")}


def test_files_stand_on_the_page_in_the_order_of_the_set() -> None:
    [rows] = tables_headed(PAGE, "file", "sent", "rows")

    files = clever().model.files
    assert [ticked(row["file"])[0] for row in rows] == [file.file for file in files]
    sent = [row["sent"] == "yes" for row in rows]
    assert sent == [file.deliver for file in files]


def test_every_column_of_the_files_that_are_sent_is_explained() -> None:
    explained = [
        {name for row in rows for name in ticked(row["column"])}
        for rows in tables_headed(PAGE, "column", "from")
    ]

    sent = [file for file in clever().model.files if file.deliver]
    for file, names in zip(sent, explained, strict=True):
        columns = {
            c.header for c in file.columns if not c.header.startswith("Teacher_")
        }
        assert columns <= names, file.file
