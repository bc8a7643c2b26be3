"""A column whose value is a secret: in the file alone, and in no place beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from d118_pipelines.errors import ConfigurationError, MissingSecretError
from d118_pipelines.targets.definition import read_target
from d118_pipelines.targets.model import Format
from d118_pipelines.targets.secret_columns import secret_columns
from d118_pipelines_tests.support.canaries import everything
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.targets.badges import FILES

VARIABLE, SECRET, RENEWED = "BADGES_API_KEY", 'canary-"key",1', "canary-renewed-2"
COLUMN = {"header": "Api Key", "source": f"${{{VARIABLE}}}"}
FILE = "mappings/targets/badges.yaml"


def with_secret(text: str) -> str:
    """The badges with the secret as their first column."""
    data = yaml.safe_load(text)
    del data["files"][0]["match_by"]
    data["files"][0]["columns"].insert(0, COLUMN)
    return yaml.safe_dump(data, sort_keys=False)


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    made = ProjectFolder(tmp_path / "project", [Person(4001), Person(4002)])
    for name, text in FILES.items():
        path = made.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(with_secret(text) if name == FILE else text, "utf-8")
    made.environment[VARIABLE] = SECRET
    return made


def places(project: ProjectFolder) -> Iterator[str]:
    """Where the secret stands, as it is or as the file has it."""
    for place, data in everything(project):
        if b"canary-" in data:
            yield place


@pytest.mark.long
def test_a_secret_is_in_the_file_alone(project: ProjectFolder, tmp_path: Path) -> None:
    project.deliver("badges")

    [text] = project.outbox("badges").values()
    lines = text.decode().splitlines()
    assert lines[1].startswith('"canary-""key"",1",4002,')
    kept = [p for p in places(project) if Path(p).name != "badges.csv"]
    assert kept == []
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    other = text.replace(b'"canary-""key"",1"', b"canary-other", 1)
    (theirs / "badges.csv").write_bytes(other)
    compared = ("compare", "badges", "--with", str(theirs), "--show-values", "--json")
    answers = [
        project.d118("explain", "badges", "4001", "--show-values"),
        project.d118("plan", "badges", "--json"),
        project.d118("preview", "badges", "--json"),
        project.d118(*compared),
    ]
    shown = "".join(a.out + a.err for a in answers)
    assert "canary-" not in shown
    [file] = answers[-1].json()
    assert file["fields"] == [
        {
            "record": "4002",
            "column": "Api Key",
            "ours": "(secret)",
            "theirs": "(another value)",
        }
    ]
    project.environment[VARIABLE] = RENEWED
    renewed = project.export("badges")
    changed = renewed.export.plan.counts["badges"].changed_fields
    assert changed == {"Api Key": 2}
    del project.environment[VARIABLE]
    with pytest.raises(MissingSecretError, match=VARIABLE):
        project.export("badges")
    assert VARIABLE in project.d118("doctor").out


@pytest.mark.parametrize(
    ("layout", "value", "written"),
    [
        (Format(), "plain", "plain"),
        (Format(), 'a"b', '"a""b"'),
        (Format(quoting="all"), 'a"b', 'a""b'),
        (Format(quoting="none", delimiter="|"), "a,b", "a,b"),
    ],
)
def test_a_secret_is_quoted_as_a_value(
    layout: Format, value: str, written: str
) -> None:
    [secret] = secret_columns("badges", layout, {"KEY": value}).values()

    assert secret.written == written
    assert value not in repr(secret)
    assert secret.mark.isalnum()


@pytest.mark.parametrize(
    ("layout", "value"),
    [
        (Format(quoting="none"), "a,b"),
        (Format(), "a\nb"),
        (Format(encoding="cp1252"), "Ω"),
    ],
)
def test_a_secret_that_the_file_cannot_carry_is_refused(
    layout: Format, value: str
) -> None:
    with pytest.raises(ConfigurationError, match="The value of KEY") as told:
        secret_columns("badges", layout, {"KEY": value})

    assert value not in str(told.value)


@pytest.mark.parametrize("key", ["keep_line", "match_by", "command"])
def test_a_secret_is_no_key_of_a_line_and_in_no_kept_one(
    tmp_path: Path, key: str
) -> None:
    data = yaml.safe_load(with_secret(FILES[FILE]))
    given = {"keep_line": True, "match_by": ["Api Key"], "command": "Api Key"}
    data["files"][0][key] = given[key]
    path = tmp_path / "badges.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    (tmp_path / "badges").mkdir()
    (tmp_path / "badges/people.sql").write_text("SELECT 1", "utf-8")

    with pytest.raises(ConfigurationError, match="a secret cannot go with"):
        read_target(path, tmp_path)
