"""deploy/nginx on a real nginx: who gets in, and to which of the two web servers."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from d118_pipelines_tests.support.loopback_http import Quiet, serving
from d118_pipelines_tests.support.project import REPOSITORY

pytestmark = pytest.mark.real
CONFIG = REPOSITORY / "deploy/nginx/d118.conf"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
HOST = "sync.north.example"
MAIN = """error_log {folder}/error.log; pid {folder}/pid; daemon off; user root;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/d118.conf;
}}
"""


@contextmanager
def web_server(name: str) -> Iterator[int]:
    """Answers with its name and the headers that it got."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            body = json.dumps({"server": name, **dict(self.headers)}).encode()
            self.answer(body, "application/json")

    with serving(Handler) as port:
        yield port


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running nginx with the shipped file; only places and ports are others."""

    plain: int
    tls: int

    def get(self, user: str = "", **headers: str) -> httpx.Response:
        auth = (user, "canary-Passw0rd") if user else None
        url = f"https://127.0.0.1:{self.tls}/runs"
        return httpx.get(
            url, auth=auth, headers={"Host": HOST, **headers}, verify=False
        )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    if not Path(NGINX).exists() or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    make_certificate(folder)
    hashed = run("openssl", "passwd", "-6", "canary-Passw0rd").strip()
    users = [f"{name}:{hashed}\n" for name in ("anna", "otto")]
    (folder / "d118-north.users").write_text("".join(users))
    with ExitStack() as stack:
        web, view = (stack.enter_context(web_server(n)) for n in ("web", "view"))
        (folder / "d118-north.operators").write_text(f"otto 127.0.0.1:{web};\n")
        found = Proxy(free_port(), free_port())
        text = CONFIG.read_text().replace("127.0.0.1:3001;", f"127.0.0.1:{view};")
        with running_nginx(folder, text, found):
            yield found


@contextmanager
def running_nginx(folder: Path, text: str, found: Proxy) -> Iterator[None]:
    """nginx with a shipped file whose places and ports are those of this test."""
    text = text.replace("/etc/nginx/", f"{folder}/")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{found.plain};")
    text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{found.tls} ssl;")
    lines = [line for line in text.splitlines() if "listen [::]" not in line]
    (folder / "d118.conf").write_text("\n".join(lines))
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    run(*command, "-t", "-e", "stderr")
    process = subprocess.Popen([*command, "-e", str(folder / "start.log")])
    try:
        wait_for(found.tls, process)
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_the_console_gets_the_scheme_and_signs_people_in_itself(tmp_path: Path) -> None:
    if not Path(NGINX).exists() or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed")
    make_certificate(tmp_path)
    with web_server("console") as console:
        found = Proxy(free_port(), free_port())
        text = CONFIG.with_name("d118-console.conf").read_text()
        text = text.replace("127.0.0.1:8000;", f"127.0.0.1:{console};")
        with running_nginx(tmp_path, text, found):
            got = found.get(**{"X-Forwarded-Proto": "http"}).json()

    assert (got["server"], got["X-Forwarded-Proto"], got["Host"]) == (
        *("console", "https"),
        HOST,
    )


def make_certificate(folder: Path) -> None:
    key, certificate = folder / "d118-north.key", folder / "d118-north.crt"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", str(key), "-out", str(certificate))
    run("openssl", "req", "-x509", *kind, *files, "-days", "2", "-subj", f"/CN={HOST}")


def run(*words: str) -> str:
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nginx did not start")


def test_nobody_gets_in_without_signing_in(proxy: Proxy) -> None:
    assert proxy.get().status_code == 401
    assert proxy.get("stranger").status_code == 401
    assert proxy.get(**{"X-Forwarded-User": "otto"}).status_code == 401


def test_an_operator_and_a_viewer_get_different_servers(proxy: Proxy) -> None:
    operator, viewer = proxy.get("otto").json(), proxy.get("anna").json()

    assert (operator["server"], operator["X-Forwarded-User"]) == ("web", "otto")
    assert (viewer["server"], viewer["X-Forwarded-User"]) == ("view", "anna")


def test_the_name_is_the_one_that_signed_in_and_the_password_stays(
    proxy: Proxy,
) -> None:
    got = proxy.get("anna", **{"X-Forwarded-User": "otto"})

    assert got.json()["X-Forwarded-User"] == "anna"
    assert got.json()["server"] == "view"
    assert "Authorization" not in got.json()
    assert got.json()["Host"] == HOST
    assert "max-age" in got.headers["Strict-Transport-Security"]


def test_without_tls_there_is_only_the_way_to_it(proxy: Proxy) -> None:
    got = httpx.get(f"http://127.0.0.1:{proxy.plain}/runs?a=1", headers={"Host": "x"})

    assert got.status_code == 301
    assert got.headers["Location"] == f"https://{HOST}/runs?a=1"
