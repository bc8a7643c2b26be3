"""docs/reference/oneroster_rest.md has the codes of the source, and no other."""

from __future__ import annotations

from typing import get_args

from d118_pipelines.sources.http.transport import HttpLimits
from d118_pipelines.sources.oneroster_rest.codes import WARNINGS, Incomplete
from d118_pipelines.sources.oneroster_rest.paging import Paging
from d118_pipelines_tests.docs.markdown import REPOSITORY, page, tables_headed, ticked

PAGE = page("reference/oneroster_rest.md")
OF_THE_CLIENT = ["auth", "forbidden", "not_found", "http", "unreachable"]
OF_THE_CLIENT += ["rate_limited", "bad_payload"]
FATAL = [*OF_THE_CLIENT, *get_args(Incomplete)]


def test_the_table_has_exactly_the_codes_and_their_levels() -> None:
    [rows] = tables_headed(PAGE, "code", "level", "meaning", "what to do")

    documented = [(ticked(row["code"])[0], row["level"]) for row in rows]
    fatal = [(f"rest.{word}", "fatal") for word in FATAL]
    warnings = [(f"rest.{word}", "warn") for word in WARNINGS]
    assert documented == [*fatal, *warnings]


def test_the_client_has_the_codes_of_the_client() -> None:
    folder = REPOSITORY / "d118_pipelines/sources/http"
    text = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))

    for word in OF_THE_CLIENT:
        assert f'"{word}"' in text or f"}}.{word} " in text, word


def test_limits_on_the_page_are_those_of_the_code() -> None:
    limits, paging = HttpLimits(), Paging()

    assert f"{limits.attempts} within {limits.total / 60:g} minutes" in PAGE
    assert f"at most {limits.wait:g} s" in PAGE
    seconds = (limits.connect, limits.read, limits.response)
    connect, read, response = (f"{value:g} s" for value in seconds)
    assert f"{connect}; `ONEROSTER_TIMEOUT` ({read}); {response}" in PAGE
    assert f"{limits.size_bytes // 2**20} MiB" in PAGE
    assert f"{paging.max_pages:,}; {paging.max_rows:,}" in PAGE
