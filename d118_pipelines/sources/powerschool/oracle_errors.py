"""What the Oracle driver's errors mean for this project.

Called by `oracle.py`. The texts of the driver and the database are not passed on: they
hold the address, and may quote values. See docs/reference/powerschool.md.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d118_pipelines.config.yaml_files import shipped_yaml
from d118_pipelines.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLostError,
    D118Error,
    QueryError,
    TimeLimitError,
    UnavailableError,
)

if TYPE_CHECKING:
    import oracledb

    from d118_pipelines.sources.powerschool.source import Query

_ADDRESS = "POWERSCHOOL_PROD_DB"
_LOGIN = "POWERSCHOOL_READ_USER and POWERSCHOOL_DB_PASSWORD"
_NOT_DONE = "No row of this extract was kept."

# Kind of failure -> code -> what is told about it.
_CODES: dict[str, dict[str, Any]] = shipped_yaml(
    Path(__file__).with_name("oracle_codes.yaml")
)
_MOMENT_LOST = "ORA-01555"
_CALL_TIMEOUT = "DPY-4024"
_CONNECTION_CLOSED = "DPY-4011"
_CONNECTION_FAILED = "DPY-6005"


@contextmanager
def translated(query: Query | None = None) -> Iterator[None]:
    """Turn the driver's errors into the project's. `query` is None while connecting.

    Raises: ConfigurationError, AuthenticationError, QueryError (final);
    ConnectionLostError, TimeLimitError, UnavailableError (may be tried again from the
    start).
    """
    import oracledb

    try:
        yield
    except oracledb.Error as exc:
        raise _meaning(exc, query) from None
    except TimeoutError:
        raise _no_answer() from None
    except socket.gaierror:
        what = "The host name of PowerSchool's database does not resolve."
        raise _connection_lost(what, []) from None
    except OSError:
        what = "The connection to PowerSchool's database was lost."
        raise _connection_lost(what, []) from None


def _meaning(exc: oracledb.Error, query: Query | None) -> D118Error:
    errors = list(_chain(exc))
    codes = [error.full_code for error in errors]
    if codes[0] == _CONNECTION_FAILED and codes[-1] in _CODES["settings"]:
        what, next_step = _CODES["settings"][codes[-1]]
        return _wrong_setting(what, next_step, codes[-1])
    if codes[0] in _CODES["login"]:
        return _login_refused(codes[0])
    if _CALL_TIMEOUT in codes:
        return _no_answer()
    if codes[0] == _MOMENT_LOST:
        return UnavailableError(
            "PowerSchool's database no longer knows the rows of the moment at which the "
            f"pull began ({_MOMENT_LOST}).",
            not_done=_NOT_DONE,
            next_step="Run again when fewer people work in PowerSchool; the database's "
            "administrator can raise UNDO_RETENTION.",
        )
    lost = any(error.isrecoverable for error in errors)
    # Too many sessions, or a database that is just starting: both pass.
    no_session = query is None and errors[0].code != 0
    if lost or no_session or _CONNECTION_FAILED in codes:
        what = f"The connection to PowerSchool's database failed ({codes[-1]})."
        return _connection_lost(what, codes if query is None else [])
    if query is None:
        what = "The login or the address of PowerSchool's database is not usable."
        next_step = f"Set {_LOGIN}, and write {_ADDRESS} as host:port/service."
        return _wrong_setting(what, next_step, codes[0])
    return _query_refused(codes[0], query)


def _chain(exc: BaseException | None) -> Iterator[Any]:
    """The driver's errors, outermost first: only the causes say why a connect failed.

    The driver publishes no class for them; `full_code` and `isrecoverable` are
    documented attributes.
    """
    import oracledb

    while isinstance(exc, oracledb.Error):
        yield exc.args[0]
        exc = exc.__cause__


def _wrong_setting(what: str, next_step: str, code: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what} ({code})", not_done=_NOT_DONE, next_step=next_step
    )


def _login_refused(code: str) -> AuthenticationError:
    return AuthenticationError(
        f"PowerSchool's database refused the login: {_CODES['login'][code]} ({code}).",
        rule="a refused login is not tried again, so that no account gets locked",
        not_done=_NOT_DONE,
        next_step=f"Check {_LOGIN}; then run: d118 test-connection powerschool",
    )


def _no_answer() -> TimeLimitError:
    return TimeLimitError(
        "PowerSchool's database did not answer in time.",
        not_done=_NOT_DONE,
        next_step=f"Check {_ADDRESS}, the network and the load of the database.",
    )


def _connection_lost(what: str, codes: list[str]) -> ConnectionLostError:
    """A connection that could not be made or was lost. `codes` only while connecting."""
    hint = ""
    if _CONNECTION_CLOSED in codes:
        hint = (
            " A server that cuts every attempt may demand native network encryption,"
            " which the driver's thin mode does not have."
        )
    return ConnectionLostError(
        what,
        not_done=_NOT_DONE,
        next_step=f"Check {_ADDRESS} and the network to the database.{hint}",
    )


def _query_refused(code: str, query: Query) -> QueryError:
    reason = _CODES["query"].get(code, "the code says why")
    return QueryError(
        f"PowerSchool's database refused the query: {reason} ({code}).",
        where=str(query.path),
        not_done=_NOT_DONE,
        next_step=f"Compare {query.path} with the tables that the user may read.",
    )
