"""What an attacker with a form, or an account, tries: addresses, texts, paths."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from d118_pipelines.config.console import ConsoleSettings
from d118_pipelines.console.hosts import host_in, refuse_hosts
from d118_pipelines.errors import ConfigurationError, MissingSecretError
from d118_pipelines.kernel.attempts import WINDOW, Attempts
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines_tests.support.console import (
    ADMIN,
    SECRET_KEY,
    RunningConsole,
    on_loopback,
)
from d118_pipelines_tests.support.project import REPOSITORY

HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>"
DISTRICT = "district_118"


def settings(*hosts: str, **more: Any) -> ConsoleSettings:
    return ConsoleSettings(SECRET_KEY, test_hosts=frozenset(hosts), **more)


@pytest.mark.parametrize(
    "address",
    [
        *("http://169.254.169.254/latest/meta-data", "http://localhost:8000/x"),
        *("http://127.1", "http://[::1]/", "http://0x7f000001/", "//10.0.0.5"),
        *("file:///etc/passwd", "gopher://sis.example/", "https://sis.example@evil/"),
        *("https://evil.example#sis.example", "https://sis.example.evil.example"),
        *("", "http://", "http://[", "sis.example\\@evil.example"),
    ],
)
def test_only_hosts_of_the_list_are_contacted(address: str) -> None:
    with pytest.raises(ConfigurationError):
        refuse_hosts([address], settings("sis.example"))


@pytest.mark.parametrize(
    "found",
    ["10.0.0.5", "169.254.169.254", "127.0.0.1", "192.168.1.1", "::1", "fd00::1"],
)
def test_an_allowed_name_that_leads_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    kind = socket.AF_INET6 if ":" in found else socket.AF_INET
    answer = [(kind, socket.SOCK_STREAM, 6, "", (found, 0))]
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [public, *answer])

    with pytest.raises(ConfigurationError, match="inside this network"):
        refuse_hosts(["https://sis.example"], settings("sis.example"))
    refuse_hosts(
        ["https://sis.example"], settings("sis.example", allows_private_hosts=True)
    )


def test_the_host_is_read_as_a_client_reads_it() -> None:
    assert host_in("https://SIS.example.:8443/a?b#c") == "sis.example"
    assert host_in("sftp.example:22") == "sftp.example"


@pytest.mark.long
@pytest.mark.parametrize("way", ["create", "change", "test"])
def test_no_route_contacts_or_keeps_a_foreign_address(
    own_console: RunningConsole, way: str
) -> None:
    program = own_console.program()
    config = {
        "baseUrl": "http://169.254.169.254/",
        "clientId": "a",
        "clientSecret": "b",
    }
    kind = "ONEROSTER_API"
    entry = {"tenantId": DISTRICT, "providerType": kind, "name": "x", "config": config}
    tried = {"connector_type": kind, "config": config}

    match way:
        case "create":
            answer = program.post("/api/v1/providers", json=entry)
        case "change":
            path = "/api/v1/providers/oneroster_api"
            answer = program.patch(path, json={"config": config})
        case _:
            answer = program.post("/connectors/test", json=tried)

    assert answer.status_code == 422
    assert "may contact" in answer.json()["title"]
    file = own_console.project.root / "config/providers.yaml"
    assert file.read_bytes() == (REPOSITORY / "config/providers.yaml").read_bytes()


@pytest.mark.long
def test_an_address_alone_does_not_take_the_secret_with_it(
    own_console: RunningConsole,
) -> None:
    program = own_console.program()
    path = "/api/v1/providers/oneroster_api"
    moved = {"base_url": "https://api.school.edu/elsewhere"}

    refused = program.patch(path, json={"config": moved})

    assert refused.status_code == 422
    assert "clientSecret" in refused.json()["title"]
    whole = {**moved, "tokenEndpoint": None, "clientSecret": "typed again"}
    assert program.patch(path, json={"config": whole}).status_code == 200
    text = (own_console.project.root / "config/providers.yaml").read_text()
    assert "ONEROSTER_CLIENT_SECRET" not in text


@pytest.mark.parametrize("kind", ["POWERSCHOOL", "nothing", "CSV\n  - id: x"])
def test_other_types_are_not_added(own_console: RunningConsole, kind: str) -> None:
    entry = {"tenantId": DISTRICT, "providerType": kind, "name": "x"}

    answer = own_console.program().post("/api/v1/providers", json=entry)

    assert answer.status_code == 422


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["../../etc", HTML, "PowerSchool", "9", "\u202e", "' #"]
)
def test_an_id_is_plain_whatever_the_name_says(
    own_console: RunningConsole, name: str
) -> None:
    entry = {"tenantId": DISTRICT, "providerType": "CSV", "name": name}

    made = own_console.program().post("/api/v1/providers", json=entry)

    assert made.status_code == 201
    plain = made.json()["id"]
    assert plain.replace("_", "").isalnum() and plain != "powerschool"
    admin = own_console.person(ADMIN)
    for path in ("/", "/integrations/sis", f"/integrations/sis/{plain}"):
        text = admin.get(path).text
        assert "<script" not in text and "<img" not in text


@pytest.mark.long
def test_what_people_type_is_shown_as_text(own_console: RunningConsole) -> None:
    admin = own_console.person(ADMIN)
    form = {"until": "2030-01-31T06:00", "reason": HTML}

    assert admin.submit("/feeds/hr_records/pause", **form).status_code == 303

    for path in ("/", "/feeds/hr_records"):
        text = admin.get(path).text
        assert "&lt;script&gt;" in text and "<script" not in text
    shown = admin.submit("/person", key=HTML).text
    assert "&lt;script&gt;" in shown and "<script" not in shown


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../app.py", "/static/console.css/../../settings.py"),
        *("/static/%2e%2e/settings.py", "/feeds/..%2f..%2fetc", "/runs/../../x"),
    ],
)
def test_paths_lead_to_no_file(console: RunningConsole, path: str) -> None:
    answer = console.person(ADMIN).get(path)

    assert answer.status_code in (404, 405)


def test_a_faulty_request_does_not_say_back_what_was_sent(
    own_console: RunningConsole,
) -> None:
    entry = {"tenantId": DISTRICT, "providerType": "CLEVER", "name": 5}
    entry = {**entry, "config": {"clientSecret": "typed-secret"}, "secret": "typed-too"}

    answer = own_console.program().post("/api/v1/providers", json=entry)

    assert answer.status_code == 422
    assert "typed" not in answer.text


def test_the_audit_does_not_know_whom_somebody_looked_up(
    own_console: RunningConsole,
) -> None:
    admin = own_console.person(ADMIN)

    answer = admin.submit("/person", key="child@d118.example")

    assert answer.status_code == 200
    [looked] = [row for row in own_console.audited() if row[1] == "look up a person"]
    assert looked[0] == f"console/{ADMIN}" and "child" not in looked[2]


@pytest.mark.parametrize("text", ["", "short", "x" * 31])
def test_without_a_long_secret_key_nothing_starts(text: str) -> None:
    with pytest.raises(MissingSecretError, match="SECRET_KEY"):
        ConsoleSettings.of({"SECRET_KEY": text})


def test_the_environment_says_where_the_console_listens() -> None:
    given = {"SECRET_KEY": SECRET_KEY, "API_HOST": "0.0.0.0", "API_PORT": "9000"}
    oidc = {"OIDC_CLIENT_ID": "a", "OIDC_CLIENT_SECRET": "b", "OIDC_TENANT": "t-1"}

    found = ConsoleSettings.of({**given, **oidc, "OIDC_ISSUER": "entra"})

    assert (found.host, found.port) == ("0.0.0.0", 9000)
    assert found.oidc is not None
    assert found.oidc.issuer == "https://login.microsoftonline.com/t-1/v2.0"
    with pytest.raises(MissingSecretError, match="OIDC_CLIENT_ID"):
        ConsoleSettings.of({**given, "OIDC_ISSUER": "google"})
    with pytest.raises(ConfigurationError, match="API_PORT"):
        ConsoleSettings.of({**given, "API_PORT": "no"})


LENGTH = "Content-Type: application/json\r\nContent-Length: 6\r\n"


@pytest.mark.long
@pytest.mark.parametrize(
    "head",
    [
        f"POST /dagster/graphql HTTP/1.1\r\nHost: HOST\r\n{LENGTH}"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"POST /dagster/graphql HTTP/1.1\r\nHost: HOST\r\n{LENGTH}"
        "Content-Length: 0\r\n\r\n",
        "POST /dagster/graphql HTTP/1.1\r\nHost: HOST\r\n"
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "GET /runs HTTP/1.1\r\nHost: evil.example\r\nHost: HOST\r\n\r\n",
        "GET /runs HTTP/1.0\r\n\r\n",
    ],
)
def test_no_second_request_is_hidden_in_a_first_one(
    served: tuple[RunningConsole, int], head: str
) -> None:
    console, port = served
    cookies = console.person(ADMIN).cookies
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    console.dagster.asked.clear()
    first = head.replace("HOST", f"127.0.0.1:{port}\r\nCookie: {cookie}")
    hidden = f"GET /dagster/runs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"

    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(f"{first}{hidden}".encode())
        line.shutdown(socket.SHUT_WR)
        answer = b""
        while part := line.recv(65536):
            answer += part

    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))
    assert console.dagster.asked == []


@pytest.fixture(scope="module")
def served(console: RunningConsole) -> Iterator[tuple[RunningConsole, int]]:
    """The console on a port, for requests that no client sends."""
    with on_loopback(console) as url:
        yield console, int(url.rpartition(":")[2])


def test_attempts_of_many_names_are_counted_and_forgotten() -> None:
    attempts, now = Attempts(), utc_now()
    attempts.failed("first", "192.0.2.1", now)
    later = now + WINDOW
    assert attempts.wait("first", "192.0.2.1", later) is None

    for number in range(10_001):
        attempts.failed(f"n{number}", "192.0.2.2", later)

    assert attempts.wait("another", "192.0.2.2", later) is not None
