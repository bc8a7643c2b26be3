"""The Oracle source when something is wrong: the right error, in time, without secrets."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Iterator

import pytest

from d118_pipelines.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLostError,
    D118Error,
    QueryError,
    TimeLimitError,
)
from d118_pipelines.sources.powerschool.oracle import OracleSource
from d118_pipelines.sources.powerschool.source import Binds, Query
from d118_pipelines_tests.support.oracle_case import (
    PASSWORD,
    USER,
    listening,
    query,
    rows,
    source,
)
from d118_pipelines_tests.support.oracle_listener import OracleListener
from d118_pipelines_tests.support.oracle_login import VERIFIER_10G
from d118_pipelines_tests.support.queries import fetch

IDS = query("SELECT CAST(u.DCID AS NUMBER(18)) AS dcid FROM USERS u ORDER BY u.DCID")
LOGIN_VARIABLES = ("POWERSCHOOL_READ_USER", "POWERSCHOOL_DB_PASSWORD")
# What starting a thread, a connection and an answer may take on a busy machine.
# A busy machine takes its time; without the limit the answer comes after 60 s.
SPARE_SECONDS = 40


@pytest.fixture
def oracle() -> Iterator[OracleListener]:
    with listening("users") as listener:
        listener.database.execute("INSERT INTO users (dcid) FROM range(100)")
        yield listener


def failure(
    source: OracleSource, query: Query = IDS, binds: Binds | None = None
) -> D118Error:
    """The error of a fetch, after looking for secrets in all that could be logged."""
    with pytest.raises(D118Error) as caught:
        rows(source, query, binds)
    logged = "".join(traceback.format_exception(caught.value))
    user, password, address = source._login
    for secret in (user, password, *re.split("[:/]", address)):
        assert secret not in logged
    return caught.value


def test_a_refused_port_is_a_lost_connection() -> None:
    with socket.socket() as bound_but_deaf:
        bound_but_deaf.bind(("127.0.0.1", 0))
        port = bound_but_deaf.getsockname()[1]

        error = failure(OracleSource(USER, PASSWORD, f"127.0.0.1:{port}/PSPROD"))

    assert isinstance(error, ConnectionLostError)
    assert "POWERSCHOOL_PROD_DB" in str(error)


def test_a_name_that_does_not_resolve_is_a_lost_connection() -> None:
    error = failure(OracleSource(USER, PASSWORD, "powerschool.invalid:1521/PSPROD"))

    assert isinstance(error, ConnectionLostError)
    assert "does not resolve" in str(error)


def test_a_server_that_speaks_another_language_is_a_lost_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = failure(OracleSource(USER, PASSWORD, f"127.0.0.1:{port}/PSPROD"))
        thread.join()

    assert isinstance(error, ConnectionLostError)


@pytest.mark.parametrize("address", ["", "powerschool", "a b:c/d", "(DESCRIPTION=("])
def test_an_unusable_address_is_a_wrong_setting(address: str) -> None:
    with pytest.raises(ConfigurationError, match="POWERSCHOOL_PROD_DB") as caught:
        rows(OracleSource(USER, PASSWORD, address), IDS)

    assert USER not in str(caught.value)


def test_a_wrong_service_is_a_wrong_setting(oracle: OracleListener) -> None:
    address = f"127.0.0.1:{oracle.port}/NOWHERE"

    error = failure(OracleSource(USER, PASSWORD, address))

    assert isinstance(error, ConfigurationError)
    assert "service" in str(error)
    assert "POWERSCHOOL_PROD_DB" in str(error)


@pytest.mark.parametrize(
    ("user", "password"), [(USER, "guess"), ("NOBODY", PASSWORD), (USER, PASSWORD * 2)]
)
def test_a_wrong_login_is_final(
    oracle: OracleListener, user: str, password: str
) -> None:
    error = failure(OracleSource(user, password, oracle.dsn))

    assert isinstance(error, AuthenticationError)
    assert "ORA-01017" in str(error)
    assert all(variable in str(error) for variable in LOGIN_VARIABLES)
    assert "guess" not in str(error)
    assert oracle.statements == []


def test_a_login_without_a_user_is_a_wrong_setting(oracle: OracleListener) -> None:
    with pytest.raises(ConfigurationError, match="POWERSCHOOL_READ_USER"):
        rows(OracleSource("", PASSWORD, oracle.dsn), IDS)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ORA-28000", AuthenticationError),  # locked
        ("ORA-28001", AuthenticationError),  # expired
        ("ORA-01045", AuthenticationError),  # may not open a session
        ("ORA-01033", ConnectionLostError),  # the database is starting
        ("ORA-00020", ConnectionLostError),  # too many processes
    ],
)
def test_a_refused_session_says_why_by_its_code(
    oracle: OracleListener, code: str, kind: type[D118Error]
) -> None:
    oracle.faults.login_error = int(code.removeprefix("ORA-"))

    error = failure(source(oracle))

    assert type(error) is kind
    assert code in str(error)


def test_a_password_stored_in_an_old_form_is_final(oracle: OracleListener) -> None:
    oracle.faults.verifier = VERIFIER_10G

    error = failure(source(oracle))

    assert isinstance(error, AuthenticationError)
    assert "DPY-3015" in str(error)


def test_native_encryption_is_a_wrong_setting_with_a_remedy(
    oracle: OracleListener,
) -> None:
    oracle.faults.requires_encryption = True

    error = failure(source(oracle))

    assert isinstance(error, ConfigurationError)
    assert "SQLNET.ENCRYPTION_SERVER" in error.next_step


def test_a_missing_table_names_the_query_and_the_code(oracle: OracleListener) -> None:
    missing = query("SELECT p.ID AS id FROM PERSON p")

    error = failure(source(oracle), missing)

    assert isinstance(error, QueryError)
    assert "ORA-00942" in str(error)
    assert error.where == str(missing.path)


def test_a_missing_column_names_the_query_and_the_code(oracle: OracleListener) -> None:
    oracle.database.execute("ALTER TABLE users DROP COLUMN title")

    error = failure(source(oracle), query("SELECT u.TITLE AS title FROM USERS u"))

    assert isinstance(error, QueryError)
    assert "ORA-00904" in str(error)


@pytest.mark.parametrize("binds", [{}, {"low": 1, "high": 2}])
def test_wrong_binds_are_an_error_of_the_query(
    oracle: OracleListener, binds: Binds
) -> None:
    wanted = query("SELECT u.TITLE AS title FROM USERS u WHERE u.DCID > :low")

    error = failure(source(oracle), wanted, binds)

    assert isinstance(error, QueryError)
    assert "bind" in str(error)


def test_a_connection_cut_between_batches_is_lost(oracle: OracleListener) -> None:
    oracle.faults.fetches_before_drop = 1
    cut = source(oracle, batch_rows=30)
    sizes: list[int] = []

    with pytest.raises(ConnectionLostError, match="DPY-4011"):
        fetch(cut, IDS, {}, lambda batch: sizes.append(batch.num_rows))

    assert sizes == [30, 30]
    oracle.faults.fetches_before_drop = None
    assert len(rows(cut, IDS)) == 100


@pytest.mark.long
def test_a_slow_query_ends_at_the_call_limit_and_again(oracle: OracleListener) -> None:
    oracle.faults.delay_seconds = 60
    slow = source(oracle, call_timeout_seconds=1)

    for _ in range(2):
        start = time.monotonic()
        assert isinstance(failure(slow), TimeLimitError)
        assert 1 <= time.monotonic() - start < 1 + SPARE_SECONDS

    oracle.faults.delay_seconds = 0
    assert len(rows(slow, IDS)) == 100


def test_a_query_that_cannot_be_cancelled_ends_all_the_same(
    oracle: OracleListener,
) -> None:
    oracle.faults.delay_seconds = 60
    oracle.faults.ignores_breaks = True
    start = time.monotonic()

    error = failure(source(oracle, call_timeout_seconds=1))

    assert isinstance(error, ConnectionLostError)
    assert 2 <= time.monotonic() - start < 2 + SPARE_SECONDS


@pytest.mark.long
def test_a_silent_listener_ends_at_the_connect_limit_and_holds_up_nobody(
    oracle: OracleListener,
) -> None:
    with listening() as silent:
        silent.faults.silent = True
        errors: list[D118Error] = []
        waiting = source(silent, connect_timeout_seconds=2)
        thread = threading.Thread(target=lambda: errors.append(failure(waiting)))
        start = time.monotonic()
        thread.start()
        while not silent.session_count:
            time.sleep(0.01)

        assert len(rows(source(oracle), IDS)) == 100
        assert thread.is_alive(), "the other one came through while this one waited"
        thread.join()

    assert [type(error) for error in errors] == [TimeLimitError]
    assert 2 <= time.monotonic() - start < 2 + SPARE_SECONDS


def test_the_connection_test_reports_instead_of_raising(oracle: OracleListener) -> None:
    report = OracleSource(USER, "guess", oracle.dsn).test()

    assert not report.success
    assert "ORA-01017" in report.message
    assert not re.search(f"{USER}|guess|{oracle.port}", report.message)


def run_python(program: str) -> subprocess.Popen[str]:
    """Start a program that has the source at hand."""
    head = "from d118_pipelines.sources.powerschool.oracle import OracleSource\n"
    code = head + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.long
@pytest.mark.real
def test_a_hanging_name_lookup_delays_neither_the_caller_nor_the_exit() -> None:
    # The resolver belongs to the machine; one that hangs can only be imitated.
    program = """
        import socket, time
        socket.getaddrinfo = lambda *args, **kwargs: time.sleep(600)
        source = OracleSource("u", "p", "h.example:1/S", connect_timeout_seconds=1)
        print(source.test().message)
    """
    start = time.monotonic()

    with run_python(program) as process:
        output, errors = process.communicate(timeout=120)

    assert "did not answer in time" in output
    assert errors == ""
    assert process.returncode == 0
    assert time.monotonic() - start < 120


@pytest.mark.real
def test_control_c_ends_a_process_that_waits_for_a_silent_listener() -> None:
    with listening() as silent:
        silent.faults.silent = True
        address = silent.dsn
        program = (
            f"OracleSource('u', 'p', '{address}', connect_timeout_seconds=60).test()"
        )
        with run_python(program) as process:
            while not silent.session_count:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=50)

    assert errors.rstrip().endswith("KeyboardInterrupt")
