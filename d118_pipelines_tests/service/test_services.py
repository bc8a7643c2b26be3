"""`make ui` as a whole: the guard on a real server, attacks from a real browser, the end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from d118_pipelines.kernel.processes import daemons
from d118_pipelines.sources.pull import find_pull
from d118_pipelines.state.database import audit_log
from d118_pipelines_tests.browser.chromium import find_chromium, open_browser
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.dagster_ui import CLIENT, DagsterUi, running_dagster
from d118_pipelines_tests.support.district import write_tables
from d118_pipelines_tests.support.loopback_http import Quiet, serving
from d118_pipelines_tests.support.project import ProjectFolder

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

LAUNCH = """mutation { launchRun(executionParams: {selector: {
  repositoryLocationName: "d118", repositoryName: "__repository__", jobName: "%s"},
  runConfigData: {}}) { __typename } }"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterUi]:
    project = ProjectFolder(tmp_path_factory.mktemp("guarded") / "project")
    project.environment["D118_UI_PROXY"] = "127.0.0.1"
    with running_dagster(project) as running:
        yield running


@contextmanager
def page_elsewhere(html: str) -> Iterator[str]:
    """A page of another origin, on loopback too."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.answer(html.encode(), "text/html")

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}/"


def attack(url: str) -> str:
    """A page that tries every way a browser offers to launch a run at `url`."""
    query = LAUNCH % "hr_records"
    address = f"{url}/graphql?query={quote(query)}"
    body = '{"query": ' + repr(query.replace("\n", " ")).replace('"', '\\"') + "}"
    body = body.replace("'", '"')
    return f"""<img src="{address}"><script src="{address}"></script>
<iframe src="{address}"></iframe><iframe name=sink></iframe>
<form id=f method=post enctype=text/plain action="{url}/graphql" target=sink>
<input name='{body}' value=''></form>
<script>
document.getElementById("f").submit();
const send = (type, mode) => fetch("{url}/graphql", {{method: "POST", mode,
  headers: {{"Content-Type": type}}, body: {body!r}}}).catch(() => 0);
const socket = () => new Promise(end => {{
  const ws = new WebSocket("{url.replace("http", "ws")}/graphql", "graphql-ws");
  ws.onopen = () => end("open"); ws.onerror = () => end("refused"); }});
Promise.all([send("text/plain", "no-cors"), send("application/json", "cors"),
  navigator.sendBeacon("{url}/graphql", {body!r}), socket()])
  .then(ends => document.title = "done " + ends[3]);
</script>"""


@pytest.mark.long
def test_another_page_launches_nothing_by_any_way_of_a_browser(ui: DagsterUi) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    before = ui.run_ids()

    with page_elsewhere(attack(ui.url)) as url, open_browser(ui, program) as browser:
        browser.page.goto(url)
        browser.page.wait_for_function("document.title.startsWith('done')")
        title = browser.page.title()
        browser.page.goto(f"{ui.url}/graphql?query={quote(LAUNCH % 'hr_records')}")

    assert title == "done refused"
    assert ui.run_ids() == before


@pytest.mark.long
def test_the_same_mutation_from_the_own_page_launches_a_run(ui: DagsterUi) -> None:
    # Without this the test above could pass on a broken mutation.
    answer = ui.graphql(LAUNCH % "hr_records")

    assert answer["launchRun"]["__typename"] == "LaunchRunSuccess"


@pytest.mark.long
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({}, 200),
    ],
)
def test_the_real_server_answers_as_the_guard_says(
    ui: DagsterUi, headers: dict[str, str], expected: int
) -> None:
    sent = {"Content-Type": "application/json", **headers}
    body = b'{"query": "{ __typename }"}'
    answer = CLIENT.post(f"{ui.url}/graphql", content=body, headers=sent)

    assert answer.status_code == expected
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.long
def test_nothing_but_the_guarded_port_listens(ui: DagsterUi) -> None:
    mark = f"HOME={ui.project.root}".encode()
    mine = {
        inode
        for process in Path("/proc").glob("[0-9]*")
        for inode in _sockets(process, mark)
    }
    listening = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path("/proc/net", table).read_text().splitlines()[1:]
    ]
    ports = {
        int(fields[1].rpartition(":")[2], 16)
        for fields in listening
        if fields[3] == "0A" and fields[9] in mine
    }

    assert ports == {int(ui.url.rpartition(":")[2])}


def _sockets(process: Path, mark: bytes) -> list[str]:
    """Inodes of the sockets of a process of this project."""
    try:
        if mark not in (process / "environ").read_bytes().split(b"\0"):
            return []
        links = [str(link.readlink()) for link in (process / "fd").iterdir()]
    except OSError:
        return []
    return [link[8:-1] for link in links if link.startswith("socket:[")]


@pytest.fixture(scope="module")
def ottos_run(ui: DagsterUi) -> str:
    """A run that Otto launched behind a sign-in, under other names; `.env` is new."""
    write_tables(ui.project.root / "tables", PEOPLE)
    (ui.project.root / ".env").touch(mode=0o600)
    (ui.project.root / ".env").write_text("POWERSCHOOL_CSV_DIR=tables\n")
    otto = replace(ui, headers={"X-Forwarded-User": "otto"})
    forged = {
        "sis/triggered_by": "ui/anna",
        "dagster/schedule_name": "hr_records_schedule",
    }
    run_id = otto.launch("hr_records", **forged)
    ui.wait_for_run(run_id)
    (ui.project.root / ".env").unlink()
    return run_id


@pytest.mark.long
def test_a_run_has_the_name_that_signed_in_and_none_that_was_typed(
    ui: DagsterUi, ottos_run: str
) -> None:
    told = {
        row.action: row.actor
        for row in ui.project.rows(audit_log)
        if ottos_run in (row.object, row.detail[4:40])
    }

    actions = ("launched", "run started", "delivered", "run ended")
    assert told == dict.fromkeys(actions, "ui/otto")


@pytest.mark.long
def test_a_run_reads_the_env_file_as_it_is_now(ui: DagsterUi, ottos_run: str) -> None:
    """Else made-up people would go out over the real files in the outbox."""
    folder = ui.project.home / "raw/powerschool/hr_records_staff"
    pull = find_pull(folder, run_id=ottos_run)
    assert pull is not None
    assert pull.details["source"] == "csv"


@pytest.mark.long
def test_a_second_daemon_is_refused_in_one_sentence(ui: DagsterUi) -> None:
    answer = started(ui.project, port=free_port())

    assert answer.returncode == 1
    (pid,) = daemons(ui.project.root)
    first = answer.stderr.splitlines()[0]
    assert first.startswith(f"A Dagster daemon (process {pid}) is already running")


def test_a_busy_port_is_refused_in_one_sentence(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = started(project, port=port)

    assert answer.returncode == 1
    assert answer.stderr.splitlines()[0] == f"Port {port} is in use."


@pytest.mark.long
def test_a_port_that_is_no_number_is_refused(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    (project.root / ".env").touch(mode=0o600)
    (project.root / ".env").write_text("D118_UI_PORT=http\n")
    answer = started(project, port=None)

    assert answer.returncode == 2
    assert "D118_UI_PORT is not a port number" in answer.stderr


@pytest.mark.long
@pytest.mark.parametrize("ended", [signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)
def test_all_services_end_with_the_launcher(
    tmp_path: Path, ended: signal.Signals
) -> None:
    project = ProjectFolder(tmp_path / "project")
    process = subprocess.Popen(
        [sys.executable, "-m", "d118_pipelines.service.services"],
        cwd=project.root,
        env=project.variables({"D118_UI_PORT": str(free_port())}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # As a shell does for what it starts with &.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert process.stdout is not None
    assert b"http://127.0.0.1" in process.stdout.readline()
    process.send_signal(ended)
    process.wait(60)
    process.stdout.close()

    end = time.monotonic() + 60
    while daemons(project.root) and time.monotonic() < end:
        time.sleep(0.1)
    assert daemons(project.root) == []


def started(
    project: ProjectFolder, *, port: int | None
) -> subprocess.CompletedProcess[str]:
    """The launcher, which is expected to refuse at once."""
    return subprocess.run(
        [sys.executable, "-m", "d118_pipelines.service.services"],
        cwd=project.root,
        env=project.variables({"D118_UI_PORT": str(port)} if port else {}),
        capture_output=True,
        text=True,
        timeout=60,
    )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
