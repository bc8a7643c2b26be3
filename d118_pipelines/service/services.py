"""`python -m d118_pipelines.service.services` (`make ui`): Dagster for people.

Starts the code server, the daemon and a web server of the project in the working
directory, and ends them together: the guarded one (`web_server.py`), or for `d118
serve` the console (`console_server.py`). It replaces `dagster dev`, which opens an
unguarded port. Other daemons are found in `processes.py`; one service alone, for
systemd and containers, is in `one_service.py`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from d118_pipelines.config.console import ConsoleSettings, port_of
from d118_pipelines.config.env_file import follow_env_file
from d118_pipelines.config.project import LOCATION, MODULE, Project
from d118_pipelines.errors import D118Error, FatalError
from d118_pipelines.kernel.processes import daemons_here
from d118_pipelines.kernel.text import printable
from d118_pipelines.state.run_history import keep_history_private

HOST = "127.0.0.1"
PORT_VARIABLE = "D118_UI_PORT"
DEFAULT_PORT = 3000
STOP_SECONDS = 10.0
START_SECONDS = 120.0
_ENV_FILES = "DAGSTER_PROJECT_ENV_FILE_PATHS"
_NO_FOLDER = "/nonexistent"
QUIET = ("--log-level", "warning")
Services = dict[str, subprocess.Popen[bytes]]


@dataclass(frozen=True, slots=True)
class WebServer:
    """What people open: its module, address, options, and how it is called and started."""

    module: str = "d118_pipelines.service.web_server"
    host: str = HOST
    port: int = DEFAULT_PORT
    options: tuple[str, ...] = ()
    title: str = "Dagster"
    variable: str = PORT_VARIABLE
    command: str = "make ui"


_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    """Run until Ctrl-C or SIGTERM; exit 1 if one of the services ends unexpectedly."""
    try:
        serve(lambda: WebServer(port=ui_port()))
    except D118Error as exc:
        print(printable(str(exc)), file=sys.stderr)
        sys.exit(exc.exit_code)


def serve_console() -> None:
    """`d118 serve`: the same with the console as web server, until it is interrupted.

    Raises: as `serve`; ConfigurationError if a setting of the console is missing.
    """
    serve(_console)


def _console() -> WebServer:
    settings = ConsoleSettings.of()
    return WebServer(
        module="d118_pipelines.console.console_server",
        host=settings.host,
        port=settings.port,
        options=("--path-prefix", "/dagster"),
        title="Console",
        variable="API_PORT",
        command="d118 serve",
    )


def prepared_project() -> Project:
    """The project of this folder, with its `.env` in the environment of all children."""
    follow_env_file(Project.here().root)
    # Dagster would read the file too, over the environment; this location has none.
    os.environ[_ENV_FILES] = json.dumps({LOCATION: _NO_FOLDER})
    project = Project.here()
    os.chdir(project.root)  # folders in dagster.yaml are relative to it
    os.environ.setdefault("DAGSTER_HOME", str(project.root))
    keep_history_private(project.root)
    return project


def ui_port() -> int:
    """`D118_UI_PORT`, by default 3000. Raises: ConfigurationError."""
    return port_of(PORT_VARIABLE, DEFAULT_PORT)


def serve(of: Callable[[], WebServer]) -> None:
    """Start all services and wait, until Ctrl-C or SIGTERM.

    of: the web server, asked when `.env` has been read. Raises: FatalError if the port
    is taken, another daemon works on this project, or a service ends unexpectedly.
    """
    # A script that starts this with & hands SIGINT down as ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        project = prepared_project()
        _serve(project, of())
    except KeyboardInterrupt:
        print("Stopped.")


def _serve(project: Project, web: WebServer) -> None:
    refuse_second_daemon(project)
    refuse_busy_port(web)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        code = folder / "code.sock"
        services = {"code server": stack.enter_context(_service(*code_server(code)))}
        _wait_for(code.exists, services, "code server")
        workspace = written_workspace(folder / "workspace.yaml", code)
        services["daemon"] = stack.enter_context(_service(*daemon(workspace)))
        server = _service(*web_server(workspace, web))
        services["web server"] = stack.enter_context(server)
        _wait_for(lambda: _answers(web), services, "web server")
        address = f"http://{web.host}:{web.port}"
        print(f"{web.title}: {address}  (Ctrl-C stops it)", flush=True)
        _wait(services)


def refuse_second_daemon(project: Project) -> None:
    """Raises: FatalError naming the daemon that works on this project already."""
    others = daemons_here(project.root)
    if others:
        raise FatalError(
            f"A Dagster daemon (process {others[0]}) is already running for this project; "
            "two would start every schedule twice.",
            not_done="Nothing was started.",
            next_step=f"Use that one, or stop it: kill {others[0]}",
        )


def refuse_busy_port(web: WebServer) -> None:
    """Raises: FatalError if something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((web.host, web.port))
        except OSError:
            raise FatalError(
                f"Port {web.port} is in use.",
                not_done="Nothing was started.",
                next_step=f"Choose another one: {web.variable}={web.port + 1} "
                f"{web.command}",
            ) from None


def code_server(socket_file: Path) -> list[str]:
    """What Python's -m is given for the code server."""
    start = ["dagster", "code-server", "start", "--socket", str(socket_file)]
    return [*start, "-m", MODULE, "--location-name", LOCATION, *QUIET]


def daemon(workspace: Path) -> list[str]:
    """The same for the daemon."""
    return ["dagster._daemon", "run", "--workspace", str(workspace), *QUIET]


def web_server(workspace: Path, web: WebServer) -> list[str]:
    """The same for what people open."""
    at = ["--host", web.host, "--port", str(web.port), "--dagster-log-level=warning"]
    return [web.module, "--workspace", str(workspace), *at, *web.options]


def written_workspace(path: Path, code: Path) -> Path:
    """The same location under the same name, served by the code server."""
    server = {"socket": str(code), "location_name": LOCATION}
    path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    return path


@contextmanager
def _service(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches this process alone, which ends them
        preexec_fn=_end_with_parent,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _end_with_parent() -> None:
    """In the child: end when the launcher is killed, and take SIGINT again."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def _wait_for(is_ready: Callable[[], bool], services: Services, name: str) -> None:
    end = time.monotonic() + START_SECONDS
    while not is_ready():
        if services[name].poll() is not None or time.monotonic() > end:
            raise _ended(name)
        time.sleep(0.1)


def _answers(web: WebServer) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((web.host, web.port)) == 0


def _wait(services: Services) -> None:
    while True:
        for name, process in services.items():
            if process.poll() is not None:
                raise _ended(name)
        time.sleep(0.5)


def _ended(name: str) -> FatalError:
    return FatalError(
        f"Dagster's {name} ended unexpectedly; its last lines are above.",
        not_done="The other services were stopped with it.",
        next_step="Check the project with: d118 doctor; then: make ui",
    )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
