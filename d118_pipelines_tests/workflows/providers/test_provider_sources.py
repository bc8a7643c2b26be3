"""From an entry of config/providers.yaml to a real server or folder, and what a person is
told: `d118 test-connection` of every type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from d118_pipelines.errors import D118Error, IncompleteExtractError
from d118_pipelines.sources.pull import find_pull
from d118_pipelines_tests.sources.clever.district import DISTRICT, small_district
from d118_pipelines_tests.sources.oneroster_csv.test_modes import ACTIVE, ENROLLMENTS
from d118_pipelines_tests.support.bundles import set_of, write_folder, write_zip
from d118_pipelines_tests.support.clever_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    CleverServer,
)
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import (
    BearerGate,
    OneRosterServer,
    Quirks,
    SignatureGate,
    TokenGate,
)
from d118_pipelines_tests.support.project import Answer
from d118_pipelines_tests.support.roster_sync import RosterProject, entry, oneroster
from d118_pipelines_tests.support.scripted_http import Reply
from d118_pipelines_tests.support.sshd import FOLDER, Sshd, SshKeys, running_sshd

SECRET = "canary-secret-4711"
USERS = "id,first_name,last_name,role,email\n1,Ada,Alder,student,ada@school.example\n"


@dataclass(frozen=True, slots=True)
class Case:
    """An entry, the secret that opens its server, and what a good test says."""

    config: Mapping[str, Any]
    good: str
    says: str


def answer_of(root: Path, kind: str, config: Mapping[str, Any], **more: str) -> Answer:
    """`d118 test-connection p` in a project with this one entry."""
    project = RosterProject(root / "project", entry("p", kind, config))
    answer = project.d118("test-connection", "p", **more)
    assert "canary" not in answer.out + answer.err
    return answer


def check(root: Path, kind: str, case: Case) -> None:
    """The right secret opens it; a wrong one and none do not, and none is shown."""
    good = answer_of(root / "good", kind, case.config, SECRET=case.good)
    bad = answer_of(root / "bad", kind, case.config, SECRET=SECRET)
    unset = answer_of(root / "unset", kind, case.config)

    assert (good.code, good.err) == (0, "")
    assert good.out.startswith("OK  p: ")
    assert case.says in good.out
    assert bad.code == 1
    assert bad.out.startswith("FAILED  p: ")
    assert case.good not in bad.out + good.out
    assert unset.code == 2
    assert "SECRET is not set." in unset.err
    assert "needed for the provider p" in unset.err


Version = Literal["1.1", "1.2"]


@pytest.mark.parametrize(("name", "version"), [("v1p1", "1.1"), ("v1p2", "1.2")])
def test_a_oneroster_server_with_tokens(
    name: str, version: Version, tmp_path: Path
) -> None:
    data = district(3, version=version)
    with OneRosterServer(data, version=version, gate=TokenGate()) as server:
        config = {
            "version": name,
            "base_url": server.url,
            "token_endpoint": server.token_url,
            "client_id": "client-id",
            "client_secret": "${SECRET}",
        }
        check(
            tmp_path, "ONEROSTER_API", Case(config, "canary-client-secret", "readable")
        )


def test_a_oneroster_server_with_signatures(tmp_path: Path) -> None:
    with OneRosterServer(district(3), gate=SignatureGate()) as server:
        config = {
            "version": "v1p1",
            "auth": "oauth1",
            "baseUrl": server.url,
            "clientId": "consumer-key",
            "clientSecret": "${SECRET}",
            "signature": "HMAC-SHA256",
        }
        check(
            tmp_path,
            "ONEROSTER_API",
            Case(config, "canary-consumer-secret", "HMAC-SHA256"),
        )


def test_classlink_by_its_proxy(tmp_path: Path) -> None:
    with OneRosterServer(district(3), gate=BearerGate("canary-key")) as server:
        config = {"tenantId": "t1", "baseUrl": server.url, "bearer": "${SECRET}"}
        check(tmp_path, "CLASSLINK", Case(config, "canary-key", "readable"))


def test_classlink_s_own_server(tmp_path: Path) -> None:
    with OneRosterServer(district(3), gate=SignatureGate()) as server:
        config = {
            "tenantId": "t1",
            "mode": "direct",
            "baseUrl": server.url,
            "clientId": "consumer-key",
            "clientSecret": "${SECRET}",
        }
        check(tmp_path, "CLASSLINK", Case(config, "canary-consumer-secret", "readable"))


def test_clever_with_a_token(tmp_path: Path) -> None:
    with CleverServer(
        small_district(), district=DISTRICT, token="canary-token"
    ) as clever:
        config = {
            "districtId": DISTRICT,
            "accessToken": "${SECRET}",
            "baseUrl": clever.host,
        }
        check(
            tmp_path, "CLEVER", Case(config, "canary-token", "Successfully connected")
        )


def test_clever_with_a_client(tmp_path: Path) -> None:
    with CleverServer(small_district(), district=DISTRICT) as clever:
        config = {
            "districtId": DISTRICT,
            "clientId": CLIENT_ID,
            "clientSecret": "${SECRET}",
            "baseUrl": clever.host,
            "tokenUrl": f"{clever.host}/oauth/tokens",
        }
        check(tmp_path, "CLEVER", Case(config, CLIENT_SECRET, "Successfully connected"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    keys = SshKeys.generate(tmp_path_factory.mktemp("keys"))
    with running_sshd(tmp_path_factory.mktemp("sshd"), keys) as running:
        yield running


@pytest.mark.long
@pytest.mark.real
@pytest.mark.parametrize("kind", ["ONEROSTER_CSV", "CSV"])
def test_files_on_a_server_of_a_known_key_only(
    kind: str, server: Sshd, tmp_path: Path
) -> None:
    folder = server.folder / kind
    if kind == "CSV":
        folder.mkdir()
        (folder / "users.csv").write_text(USERS, "utf-8")
    else:
        write_folder(folder, set_of())
    line = f"[127.0.0.1]:{server.port} {server.keys.public('host_ed25519')}\n"
    (tmp_path / "known").write_text(line, "ascii")
    (tmp_path / "strange").write_text(
        line.replace(
            server.keys.public("host_ed25519"), server.keys.public("other_ed25519")
        ),
        "ascii",
    )
    attempts = server.login_attempts

    def config(known: str, place: str = kind) -> dict[str, Any]:
        login = {
            "host": "127.0.0.1",
            "port": server.port,
            "username": server.account,
            "private_key": "${SECRET}",
            "known_hosts": str(tmp_path / known),
        }
        return {"sftp": login, "remote_path": f"./{FOLDER}/{place}"}

    key = server.keys.private("login").read_text("utf-8")
    strange = answer_of(tmp_path / "a", kind, config("strange"), SECRET=key)
    assert server.login_attempts == attempts, "no login was tried"
    good = answer_of(tmp_path / "b", kind, config("known"), SECRET=key)
    gone = answer_of(tmp_path / "c", kind, config("known", "nowhere"), SECRET=key)

    assert good.code == 0, good.out
    assert good.out.startswith("OK  p: ")
    assert strange.code == 1
    assert "host key" in strange.out
    assert gone.code == 1
    assert gone.out.startswith("FAILED  p: ")
    for said in (good, strange, gone):
        assert "PRIVATE KEY" not in said.out + said.err
        assert server.account not in said.out + said.err


@pytest.mark.parametrize("is_zip", [False, True])
def test_a_oneroster_set_of_this_machine(is_zip: bool, tmp_path: Path) -> None:
    place = tmp_path / ("set.zip" if is_zip else "set")
    (write_zip if is_zip else write_folder)(place, set_of())

    good = answer_of(tmp_path / "a", "ONEROSTER_CSV", {"path": str(place)})
    gone = answer_of(tmp_path / "b", "ONEROSTER_CSV", {"path": str(tmp_path / "none")})

    assert good.code == 0, good.out
    assert good.out.startswith("OK  p: ")
    assert gone.code == 1
    assert gone.out.startswith("FAILED  p: ")


def test_sheets_in_the_inbox(tmp_path: Path) -> None:
    project = RosterProject(tmp_path / "project", entry("p", "CSV", {}))
    empty = project.d118("test-connection", "p")
    inbox = project.home / "inbox/p"
    (inbox / "users.csv").write_text(USERS, "utf-8")
    good = project.d118("test-connection", "p")
    (inbox / "users.csv").write_text("colour\nred\n", "utf-8")
    bad = project.d118("test-connection", "p")

    assert (empty.code, good.code, bad.code) == (1, 0, 1)
    assert "csv.no_files" in empty.out
    assert "users.csv: users" in good.out
    assert bad.out.startswith("FAILED  p: ")


def test_oneroster_timeout_says_how_long_an_answer_may_take(tmp_path: Path) -> None:
    quirks = Quirks(replies=dict.fromkeys(range(9), Reply(200, delay=1.5)))
    with OneRosterServer(
        district(3), gate=BearerGate("canary-key"), quirks=quirks
    ) as server:
        config = {"tenantId": "t1", "baseUrl": server.url, "bearer": "${SECRET}"}
        more = {"SECRET": "canary-key", "ONEROSTER_TIMEOUT": "0.3"}
        said = answer_of(tmp_path, "CLASSLINK", config, **more)

    assert said.code == 1
    assert "No whole answer in time" in said.out


@pytest.mark.long
def test_clever_rate_limit_says_how_far_requests_are_apart(tmp_path: Path) -> None:
    def seconds(limit: str) -> float:
        root = tmp_path / limit
        more = {"SECRET": "canary-token", "CLEVER_RATE_LIMIT": limit}
        project = RosterProject(root / "project", entry("p", "CLEVER", config))
        said = project.d118("test-connection", "p", "--json", **more).json()
        assert said["success"], said
        return float(said["latency_seconds"])

    with CleverServer(
        small_district(), district=DISTRICT, token="canary-token"
    ) as clever:
        config = {
            "districtId": DISTRICT,
            "accessToken": "${SECRET}",
            "baseUrl": clever.host,
        }
        quick, slow = seconds("0"), seconds("0.3")
        asked = len(clever.requests) // 2

    assert asked > 1
    assert slow >= 0.3 * (asked - 1) > quick


def test_csv_max_file_size_is_the_largest_file(tmp_path: Path) -> None:
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets/users.csv").write_text(USERS, "utf-8")
    config = {"path": str(tmp_path / "sheets")}
    size = len(USERS.encode())

    fits = answer_of(tmp_path / "a", "CSV", config, CSV_MAX_FILE_SIZE=str(size))
    over = answer_of(tmp_path / "b", "CSV", config, CSV_MAX_FILE_SIZE=str(size - 1))

    assert (fits.code, over.code) == (0, 1)
    assert "csv.file_too_large" in over.out


@pytest.mark.parametrize("value", ["soon", "-1"])
def test_a_variable_that_is_no_number_is_named(value: str, tmp_path: Path) -> None:
    said = answer_of(tmp_path, "CSV", {}, CSV_MAX_FILE_SIZE=value)

    assert said.code == 2
    assert "CSV_MAX_FILE_SIZE is not a number of 0 or more." in said.err


def test_database_url_is_where_the_roster_is(tmp_path: Path) -> None:
    project = RosterProject(tmp_path / "project", entry("p", "CSV", {}))

    here = project.d118("providers", "list", DATABASE_URL="")
    wrong = project.d118("providers", "list", DATABASE_URL="mysql://canary:pw@h/d")
    nobody = "postgresql://canary:canary-pw@127.0.0.1:1/d118"
    closed = project.d118("providers", "list", DATABASE_URL=nobody)

    assert here.code == 0
    assert (project.home / "d118.sqlite").is_file()
    assert (wrong.code, closed.code) == (2, 5)
    assert "DATABASE_URL" in wrong.err
    assert "The state database cannot be opened" in closed.err
    assert "canary" not in wrong.err + closed.err


def test_clever_s_contacts_are_read_where_they_are_wanted(tmp_path: Path) -> None:
    with CleverServer(
        small_district(), district=DISTRICT, token="canary-token"
    ) as clever:
        config = {
            "districtId": DISTRICT,
            "accessToken": "${SECRET}",
            "baseUrl": clever.host,
        }
        without = answer_of(tmp_path / "a", "CLEVER", config, SECRET="canary-token")
        config["contacts"] = True
        wanted = answer_of(tmp_path / "b", "CLEVER", config, SECRET="canary-token")

    assert "users (contact)" not in without.out
    assert "users (contact)" in wanted.out


@pytest.mark.parametrize(
    ("quirks", "config", "code"),
    [
        (Quirks(max_limit=2, total=1), {"trustTotal": False}, "rest.unstable"),
        (
            Quirks(max_limit=2, total=None, end_status=404),
            {"end_status": 404},
            "rest.not_found",
        ),
    ],
)
def test_how_a_service_counts_and_ends_is_a_setting(
    quirks: Quirks, config: dict[str, Any], code: str, tmp_path: Path
) -> None:
    with OneRosterServer(district(5), quirks=quirks, gate=TokenGate()) as server:
        plain, told = oneroster(server, "p"), oneroster(server, "q", config=config)
        project = RosterProject(tmp_path / "project", plain, told)

        with pytest.raises(D118Error, match=code.replace(".", r"\.")):
            project.pull("p")
        project.pull("q")


@pytest.mark.parametrize("word", ["bulk", "delta", "reject"])
def test_what_a_bulk_file_with_status_is_is_a_setting(
    word: str, tmp_path: Path
) -> None:
    write_folder(tmp_path / "set", set_of(enrollments=ENROLLMENTS + ACTIVE))
    config = {"path": str(tmp_path / "set"), "bulk_with_status": word}
    project = RosterProject(tmp_path / "project", entry("p", "ONEROSTER_CSV", config))

    if word == "reject":
        with pytest.raises(IncompleteExtractError, match=r"row\.status_in_bulk"):
            project.pull("p")
        return
    project.pull("p")
    pull = find_pull(project.home / "raw/p")

    assert pull is not None
    assert pull.collections["enrollments"].is_delta == (word == "delta")
