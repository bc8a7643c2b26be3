"""Named statements of `sql/`: quoted, filled completely, and all of them in use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines_tests.support.project import REPOSITORY

FILES = sorted(
    path
    for room in ("roster", "sources", "targets")
    for path in (REPOSITORY / "sql" / room).glob("*.sql")
)
SAMPLE = """-- A file for tests.

-- name: whole
-- Why it is so.
SELECT {{'name'}} AS name,
    -- a comment of its own line, with a :colon
    {{column}} FROM t WHERE a = '{{'; -- the end

-- name: next
SELECT 1
"""


@pytest.fixture
def sample(tmp_path: Path) -> str:
    """A file of statements, as a reference without the statement's name."""
    (tmp_path / "sample.sql").write_text(SAMPLE, encoding="utf-8")
    return f"{tmp_path}/sample"


def test_texts_are_quoted_and_expressions_are_taken_as_they_are(sample: str) -> None:
    sql = statement(f"{sample}.whole", name="O'Brien", column="a + 1")

    assert sql == (
        "SELECT 'O''Brien' AS name,\n    a + 1 FROM t WHERE a = '{{'; -- the end"
    )
    assert statement(f"{sample}.next") == "SELECT 1"


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("other", {}, "sample.sql has no statement other"),
        ("whole", {"name": "x"}, "sample.sql and its caller disagree on places of "),
        ("next", {"more": "x"}, "places of next: more"),
    ],
)
def test_what_does_not_fit_names_the_file(
    sample: str, name: str, values: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        statement(f"{sample}.{name}", **values)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r"sql/roster/none\.sql cannot be read"
    ):
        statement("roster/none.whole")


def test_a_file_is_read_once(sample: str) -> None:
    first = statement(f"{sample}.next")
    Path(f"{sample}.sql").unlink()

    assert statement(f"{sample}.next") == first


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_statement_has_one_name_and_a_caller(path: Path) -> None:
    room = path.parent.name
    names = re.findall(r"^-- name: (\w+)$", path.read_text(encoding="utf-8"), re.M)
    product = "".join(
        file.read_text(encoding="utf-8")
        for file in (REPOSITORY / "d118_pipelines" / room).rglob("*.py")
    )
    # A name such as `keep_orgs` is made of `keep_` and the entity.
    made = set(re.findall(r'[".](\w+_)\{entity\}"', product))

    assert len(set(names)) == len(names)
    for name in names:
        is_made = name.rpartition("_")[0] + "_" in made
        assert is_made or re.search(rf"""["'.]{name}["']""", product), name
    assert f"{room}/{path.stem}." in product
