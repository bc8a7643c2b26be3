"""Every shell command of README and pages runs, in the order of its page.

They run in one project: a copy of what a person clones, with this environment's
`.venv`. A run that an earlier page has started is not started again; pages that add a
target have a copy. `make ui` is run by the browser test, `make test` is this suite,
`make bench` takes minutes: of these it is only shown that make knows them.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from d118_pipelines_tests.docs.markdown import REPOSITORY
from d118_pipelines_tests.support.demonstrated import DEMO_LOG
from d118_pipelines_tests.support.project import ProjectFolder

PAGES = [
    "README.md",
    "docs/bring_rosters_in.md",
    "docs/send_rosters_out.md",
    "docs/when_a_run_is_held.md",
    "docs/move_from_the_scripts.md",
    "docs/from_script_to_target.md",
    "docs/catalog.md",
]
ADD_A_TARGET = {"docs/from_script_to_target.md", "docs/catalog.md"}
RUN = ".venv/bin/d118 run "
# The first delivery of a drafted or copied target is held, as their pages say.
HELD = {".venv/bin/d118 run callers", ".venv/bin/d118 run google_users"}
# A hang is a failure; how long a page takes depends on who else uses the machine.
pytestmark = pytest.mark.timeout(1800)
ONLY_KNOWN_TO_MAKE = {
    "make site",
    "make ui",
    "make test",
    "make test-long",
    "make bench",
}


def commands(page: str) -> list[str]:
    """The lines of all shell blocks of a page."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```shell\n(.*?)^```$", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def shared(
    demonstrated: ProjectFolder, tmp_path_factory: pytest.TempPathFactory
) -> ProjectFolder:
    """A project in which `make demo` ran."""
    said = (demonstrated.root / DEMO_LOG).read_text(encoding="utf-8")
    assert "StaffData.txt" in said
    assert "E1PlusEmployeeWorkSchedule.csv" in said
    assert "make ui" in said
    assert "Warning" not in said, "nothing frightens at the start"
    return demonstrated.copied(tmp_path_factory.mktemp("docs") / "project")


@pytest.fixture(scope="module")
def started() -> set[str]:
    """The runs that went well in the shared project; make demo is the first of them."""
    return {"make demo", f"{RUN}--all"}


def outcome(folder: ProjectFolder, line: str) -> tuple[int, str]:
    """Exit code and output of a line; d118 runs here, which saves its start."""
    words = shlex.split(line)
    if words[0] == ".venv/bin/d118":
        answer = folder.d118(*words[1:])
        return answer.code, answer.out + answer.err
    finished = run(folder, line)
    return finished.returncode, finished.stdout


def run(folder: ProjectFolder, line: str) -> subprocess.CompletedProcess[str]:
    """Run one line as a person in the folder would; the set-up of .venv counts as done."""
    words = shlex.split(line)
    if words[0] == "make":
        words = ["make", "-o", ".venv/ready", *words[1:]]
    if line in ONLY_KNOWN_TO_MAKE:
        words.insert(1, "--dry-run")
    return subprocess.run(
        words,
        cwd=folder.root,
        env=folder.variables({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.long
@pytest.mark.real
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_succeeds(
    page: str, shared: ProjectFolder, started: set[str], tmp_path: Path
) -> None:
    folder = shared
    if page in ADD_A_TARGET:
        folder = shared.copied(tmp_path / "project")
    lines = [line for line in commands(page) if line not in started]
    assert lines

    for line in lines:
        code, output = outcome(folder, line)

        assert code == (3 if line in HELD else 0), f"{page}: {line}\n{output}"
        assert "Warning:" not in output, f"{page}: {line}\n{output}"
        if " explain " in line:  # the person of the example is in the demonstration
            assert re.match(r"\S+ is (exported|in |active in )", output), output
        if line.startswith(RUN) and line not in HELD:
            started.add(line)


def test_no_page_hides_a_command_in_another_kind_of_block() -> None:
    for path in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        text = path.read_text(encoding="utf-8")
        assert "```sh\n" not in text and "```console\n" not in text, path
