"""Who comes in, and for how long: passwords, sessions, tokens, forms."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from d118_pipelines.console.sessions import ABSOLUTE, COOKIE, IDLE, Sessions
from d118_pipelines.kernel.attempts import TRIES_OF_A_NAME, WINDOW, Attempts
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import accounts
from d118_pipelines_tests.support.console import (
    ADMIN,
    PASSWORD,
    VIEWER,
    RunningConsole,
    running_console,
)

# After the accounts were made; cookies know seconds.
NOW = (utc_now() + dt.timedelta(hours=1)).replace(microsecond=0)
PATHS = (
    *("/findings", "/deliveries", "/register", "/register/csv"),
    *("/", "/runs", "/integrations/sis", "/person", "/docs", "/redoc", "/openapi.json"),
    *("/feeds/hr_records", "/nothing/here", "/dagster/"),
    *("/api/v1/providers", "/jobs", "/health", "/static/../state", "/sign-out"),
)


@pytest.mark.parametrize("path", PATHS)
def test_without_a_session_every_path_says_401_and_nothing_else(
    console: RunningConsole, path: str
) -> None:
    nobody = console.person()

    answers = [nobody.get(path), nobody.post(path), nobody.delete(path)]

    assert [a.status_code for a in answers] == [401] * 3
    # The form knows the way back, which is what was asked for.
    texts = [a.text.replace(path, "") for a in answers]
    assert not any("hr_records" in text or "District 118" in text for text in texts)
    assert console.dagster.asked == []


def test_a_session_has_a_cookie_that_scripts_and_other_sites_do_not_get(
    console: RunningConsole,
) -> None:
    answer = console.person().sign_in()

    cookie = answer.headers["set-cookie"]
    assert answer.headers["location"] == "/"
    assert re.search("HttpOnly", cookie) and re.search("SameSite=strict", cookie)
    assert ADMIN not in cookie


def test_over_https_the_cookie_is_secure(console: RunningConsole) -> None:
    person = console.person()
    person.base_url = "https://127.0.0.1"

    assert "Secure" in person.sign_in().headers["set-cookie"]


def test_a_cookie_that_was_planted_before_is_of_no_use_after(
    console: RunningConsole,
) -> None:
    planted = console.person(VIEWER).cookies[COOKIE]
    victim = console.person()
    victim.cookies.set(COOKIE, planted)

    victim.sign_in(ADMIN)
    attacker = console.person()
    attacker.cookies.set(COOKIE, planted)

    assert victim.cookies.get(COOKIE, domain="127.0.0.1") != planted
    assert attacker.get("/").status_code == 401


@pytest.mark.parametrize("change", ["x{}", "{}x", "forged"])
def test_a_forged_cookie_opens_nothing(console: RunningConsole, change: str) -> None:
    good = console.person(ADMIN).cookies[COOKIE]
    attacker = console.person()
    attacker.cookies.set(COOKIE, change.format(good))

    assert attacker.get("/").status_code == 401


def sessions_of(console: RunningConsole, key: str = "a") -> Sessions:
    return Sessions(key * 40, console.world.database)


def test_another_key_signs_other_cookies(console: RunningConsole) -> None:
    mine, other = sessions_of(console), sessions_of(console, "b")
    cookie = mine.open(ADMIN, NOW)

    assert mine.find(cookie, NOW) is not None
    assert other.find(cookie, NOW) is None


def test_a_session_ends_when_nobody_uses_it(console: RunningConsole) -> None:
    sessions, tick = sessions_of(console), dt.timedelta(seconds=1)
    cookie = sessions.open(ADMIN, NOW)

    assert sessions.renewed(cookie, NOW + tick) is None
    assert sessions.find(cookie, NOW + IDLE - tick) is not None
    newer = sessions.renewed(cookie, NOW + IDLE - tick)
    assert newer is not None
    assert sessions.find(newer, NOW + IDLE * 2 - tick * 2) is not None
    assert sessions.form_token(newer) == sessions.form_token(cookie)
    assert sessions.find(cookie, NOW + IDLE) is None
    assert sessions.find(newer, NOW + IDLE * 3) is None


def test_a_session_ends_however_much_it_is_used(console: RunningConsole) -> None:
    sessions, now = sessions_of(console), NOW
    cookie = sessions.open(ADMIN, NOW)
    while now < NOW + ABSOLUTE - IDLE / 2:
        now += IDLE / 2
        assert sessions.find(cookie, now) is not None
        cookie = sessions.renewed(cookie, now) or cookie

    assert sessions.find(cookie, NOW + ABSOLUTE) is None


def test_a_restart_signs_nobody_out_and_brings_nobody_back(
    console: RunningConsole,
) -> None:
    stays, leaves = console.person(ADMIN), console.person(VIEWER)
    left = leaves.cookies[COOKIE]
    leaves.submit("/sign-out")

    with running_console(console.project) as again:
        person, other = again.person(), again.person()
        person.cookies.set(COOKIE, stays.cookies[COOKIE])
        other.cookies.set(COOKIE, left)

        assert person.get("/runs").status_code == 200
        assert other.get("/runs").status_code == 401


def test_a_visit_makes_the_cookie_new_after_a_while(console: RunningConsole) -> None:
    person = console.person(ADMIN)
    assert "set-cookie" not in person.get("/runs").headers
    earlier, made = utc_now() - IDLE / 2, utc_now() - IDLE
    table = accounts.console_accounts
    console.project.change_state(table.update().values(changed_at=made))
    cookie = console.world.sessions.open(ADMIN, earlier)
    person.cookies.clear()
    person.cookies.set(COOKIE, cookie, domain="127.0.0.1")

    given = person.get("/runs").headers["set-cookie"]

    assert given.startswith(COOKIE) and cookie not in given and "HttpOnly" in given


def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(
    console: RunningConsole,
) -> None:
    person = console.person(VIEWER)
    copy = console.person()
    copy.cookies.set(COOKIE, person.cookies[COOKIE])

    assert person.submit("/sign-out").status_code == 303

    assert person.get("/").status_code == 401
    assert copy.get("/").status_code == 401


def test_wrong_passwords_are_refused_alike_and_not_forever(
    console: RunningConsole,
) -> None:
    wrong = console.person().sign_in(ADMIN, "wrong password")
    unknown = console.person().sign_in("nobody@d118.example", PASSWORD)

    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text == unknown.text


def test_guessing_is_stopped_even_for_the_right_password(
    own_console: RunningConsole,
) -> None:
    guesser = own_console.person()
    for number in range(TRIES_OF_A_NAME):
        assert guesser.sign_in(ADMIN, f"guess {number}").status_code == 401

    answer = guesser.sign_in(ADMIN, PASSWORD)

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert own_console.person().sign_in(VIEWER).status_code == 303


def test_attempts_are_forgotten_after_a_while_and_counted_by_address_too() -> None:
    attempts = Attempts()
    for number in range(30):
        attempts.failed(f"name {number}", "203.0.113.5", NOW)

    assert attempts.wait("another", "203.0.113.5", NOW) == WINDOW
    assert attempts.wait("another", "203.0.113.6", NOW) is None
    assert attempts.wait("another", "203.0.113.5", NOW + WINDOW) is None


@pytest.mark.parametrize("change", ["password", "removed"])
def test_a_new_password_and_a_removal_end_open_sessions(
    own_console: RunningConsole, change: str
) -> None:
    person, program = own_console.person(VIEWER), own_console.program("read", VIEWER)

    with own_console.world.database.transaction() as connection:
        if change == "password":
            accounts.set_password(
                connection, VIEWER, "quite another one", by="t", now=utc_now()
            )
        else:
            accounts.remove_account(connection, VIEWER, by="t", now=utc_now())

    assert person.get("/").status_code == 401
    expected = 200 if change == "password" else 401
    assert program.get("/jobs").status_code == expected


def test_an_account_without_password_cannot_sign_in_with_one(
    own_console: RunningConsole,
) -> None:
    with own_console.world.database.transaction() as connection:
        accounts.add_account(
            connection, "sso@d118.example", "VIEWER", None, by="t", now=utc_now()
        )

    assert own_console.person().sign_in("sso@d118.example", "").status_code == 401


def test_a_form_without_the_sessions_own_token_is_refused(
    console: RunningConsole,
) -> None:
    person, other = console.person(ADMIN), console.person(ADMIN)
    path = "/feeds/hr_records/run"

    without = person.post(path)
    of_another = person.post(path, data={"csrf": other.form_token()})
    cross = {"origin": "https://evil.example"}
    elsewhere = person.post(path, data={"csrf": person.form_token()}, headers=cross)

    assert [a.status_code for a in (without, of_another, elsewhere)] == [403] * 3
    assert console.dagster.launched() == []


def test_a_session_sends_json_only_with_its_token(console: RunningConsole) -> None:
    person = console.person(ADMIN)
    path = "/api/v1/providers/powerschool/sync"

    assert person.post(path).status_code == 403
    headers = {"x-csrf-token": person.form_token()}
    assert person.post(path, headers=headers).status_code == 202
    console.dagster.asked.clear()


def test_nothing_is_changed_by_following_a_link(console: RunningConsole) -> None:
    person = console.person(ADMIN)
    links = (
        *("/feeds/hr_records/run", "/feeds/hr_records/approve", "/sign-out"),
        *("/integrations/sis/clever/remove", "/api/v1/providers/powerschool/sync"),
    )

    assert {person.get(link).status_code for link in links} <= {404, 405}
    assert person.get("/").status_code == 200
    assert console.dagster.asked == []


@pytest.mark.parametrize(
    "place",
    [
        *(
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/\t/evil.example",
        ),
        *("", "evil.example", "javascript:alert(1)", "/sign-out", "/\n/evil.example"),
    ],
)
def test_signing_in_leads_nowhere_else(console: RunningConsole, place: str) -> None:
    person = console.person()
    form = {"name": ADMIN, "password": PASSWORD, "back": place}
    sent = {"params": {"back": place}, "data": form, "follow_redirects": False}

    answer = person.post("/sign-in", **sent)  # type: ignore[arg-type]

    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("place", ["/runs?offset=25", "/feeds/hr_records"])
def test_signing_in_leads_to_the_page_that_was_asked_for(
    console: RunningConsole, place: str
) -> None:
    person = console.person()
    asked = person.get(place)
    back = re.search('name="back" value="([^"]*)"', asked.text)
    assert asked.status_code == 401 and back is not None
    form = {"name": ADMIN, "password": PASSWORD, "back": back[1]}

    answer = person.post("/sign-in", data=form, follow_redirects=False)

    assert answer.headers["location"] == place


def test_pages_allow_no_script_and_no_frame(console: RunningConsole) -> None:
    headers = console.person(ADMIN).get("/").headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "bearer"])
def test_a_forged_key_opens_nothing(console: RunningConsole, scheme: str) -> None:
    headers = {"authorization": f"{scheme} d118_{'A' * 43}"}

    assert console.person().get("/jobs", headers=headers).status_code == 401


def test_an_expired_key_opens_nothing(console: RunningConsole) -> None:
    program = console.program("write")
    assert program.get("/jobs").status_code == 200

    table = accounts.api_tokens
    console.project.change_state(table.update().values(expires_at=utc_now()))

    assert program.get("/jobs").status_code == 401


def test_keys_and_passwords_are_not_in_the_database(console: RunningConsole) -> None:
    key = console.program("read").headers["authorization"].removeprefix("Bearer ")

    kept = (console.project.home / "d118.sqlite").read_bytes()

    assert key.encode() not in kept
    assert PASSWORD.encode() not in kept


@pytest.mark.parametrize(("scope", "account"), [("read", ADMIN), ("write", VIEWER)])
def test_a_key_may_do_no_more_than_its_scope_and_its_account(
    console: RunningConsole, scope: str, account: str
) -> None:
    program = console.program(scope, account)

    assert program.get("/jobs").status_code == 200
    assert program.post("/api/v1/providers/powerschool/sync").status_code == 403
