"""How much of a file a draft makes again: the table of docs/reference/draft_proof.md.

The project's own targets over the demonstration district, and six files that
`foreign_files.py` writes. D118_RENEW_PROOF=1 writes the page again.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.targets.compare import compare_file
from d118_pipelines.targets.definition import read_target
from d118_pipelines.workflows.targets.draft import draft_target
from d118_pipelines.workflows.targets.export import preview_export
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder
from d118_pipelines_tests.targets.draft.foreign_files import write_all

# The longest loop of all: a hang is a failure, a busy machine is not.
pytestmark = pytest.mark.timeout(3600)

PAGE = REPOSITORY / "docs/reference/draft_proof.md"
OWN = ("clever_sftp", "hr_records", "oneroster", "scim", "smartfind")
FOREIGN = ("google", "library", "sds", "lunch", "messages", "badges")
ALL = (*OWN, *FOREIGN)


@dataclass(frozen=True, slots=True)
class Proof:
    """One file: its columns, those that agree on 99 % of its lines, and its people."""

    target: str
    file: str
    columns: int
    exact: int
    lines: int
    missing: int
    extra: int
    is_identical: bool


@pytest.fixture(scope="module")
def district(
    demonstrated: ProjectFolder, tmp_path_factory: pytest.TempPathFactory
) -> ProjectFolder:
    """The demonstration district with everything made once, to draft in."""
    return demonstrated.copied(tmp_path_factory.mktemp("proof") / "project")


@pytest.fixture(scope="module")
def proofs(
    district: ProjectFolder, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Proof]]:
    """Target -> its files, drafted and made again."""
    folder = tmp_path_factory.mktemp("sent")
    sent = sent_files(district.home, folder)
    project = district.project
    return {name: proof_of(project, name, source) for name, source in sent.items()}


def proof_of(project: Project, name: str, source: Path) -> list[Proof]:
    drafted = f"drafted_{name}"
    draft_target(project, drafted, source)
    yaml = project.root / f"mappings/targets/{drafted}.yaml"
    # What nothing explains stays empty here; doctor refuses it.
    yaml.write_text(yaml.read_text().replace("source: TODO", 'source: "NULL"'))
    target = read_target(yaml, project.root / "sql/exports")
    found = []
    with preview_export(project, target, now=utc_now()) as (export, _):
        assert export is not None
        for file in target.model.files:
            if not file.deliver or not _bytes(source, file.file):
                continue
            ours, theirs = _bytes(export.folder, file.file), _bytes(source, file.file)
            result = compare_file(file, target.model.format, ours, theirs)
            paired = result.rows_theirs - len(result.only_theirs)
            wrong = Counter(difference.column for difference in result.fields)
            found.append(
                Proof(
                    name,
                    file.file,
                    len(file.columns),
                    sum(wrong[c.header] <= paired * 0.01 for c in file.columns),
                    result.rows_theirs,
                    len(result.only_theirs),
                    len(result.only_ours),
                    result.is_identical,
                )
            )
    return found


def sent_files(home: Path, folder: Path) -> dict[str, Path]:
    """Target -> what it sent, and what other scripts send; `folder` takes what is made."""
    sent = {name: home / "outbox" / name for name in OWN}
    sent["oneroster"] /= "oneroster.zip"
    # Users go one by one; what is drafted is the table of them.
    scim = folder / "scim"
    scim.mkdir()
    [users] = (home / "exports/scim").glob("*/users.csv")
    shutil.copy(users, scim)
    sent["scim"] = scim
    foreign = write_all(home / "demo/powerschool", folder / "foreign")
    return sent | {path.name: path for path in foreign}


def _bytes(folder: Path, name: str) -> bytes:
    """A file of a folder, or of the archive in it; empty where there is none."""
    import zipfile

    if folder.is_dir() and (folder / name).is_file():
        return (folder / name).read_bytes()
    archives = [folder] if folder.is_file() else list(folder.glob("*.zip"))
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            if name in archive.namelist():
                return archive.read(name)
    return b""


def page(proofs: dict[str, list[Proof]]) -> str:
    """The page, from what was found."""
    head = (
        "# How much a draft makes again\n\n"
        "Made by `d118_pipelines_tests/targets/draft/test_proof.py` over the demonstration "
        "district; D118_RENEW_PROOF=1 writes it again. Each file was [drafted](drafting.md) "
        "without help and made from the same day's data. A column counts where it is "
        "byte-exact on 99 % of the lines; missing and extra are lines.\n\n"
        "| target | file | columns | of them exact | lines | missing | extra |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    rows = [
        f"| {p.target} | {p.file} | {p.columns} | {p.exact} | {p.lines} | {p.missing} | "
        f"{p.extra} |\n"
        for several in proofs.values()
        for p in several
    ]
    return head + "".join(rows)


@pytest.mark.long
def test_the_page_has_what_was_found(proofs: dict[str, list[Proof]]) -> None:
    if os.environ.get("D118_RENEW_PROOF"):
        PAGE.write_text(page(proofs), encoding="utf-8")

    # The numbers of people move with the day; files and columns do not.
    def cells(text: str) -> list[list[str]]:
        rows = [
            [cell.strip() for cell in line.split("|")[1:5]]
            for line in text.splitlines()
            if line.startswith("| ")
        ]
        return rows[1:]

    published, found = cells(PAGE.read_text(encoding="utf-8")), cells(page(proofs))
    assert [row[:3] for row in found] == [row[:3] for row in published]
    for row, promised in zip(found, published, strict=True):
        assert int(row[3]) >= int(promised[3]), row


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_a_draft_makes_the_files_again(
    proofs: dict[str, list[Proof]], name: str
) -> None:
    files = proofs[name]

    assert sum(p.exact for p in files) >= 0.95 * sum(p.columns for p in files), files
    assert sum(p.missing + p.extra for p in files) <= 0.01 * sum(
        p.lines for p in files
    ), files
