"""docs/reference/oneroster_csv.md has every code that the reading of sets can give."""

from __future__ import annotations

import re

from d118_pipelines_tests.docs.markdown import (
    REPOSITORY,
    page,
    tables_headed,
    ticked,
)

SOURCES = [
    REPOSITORY / "d118_pipelines/sources" / name
    for name in ("oneroster_csv", "delimited")
]
_CODE = re.compile(r'"((?:zip|bundle|manifest|csv|row)\.[a-z_]+)"')
_NO_CODES = {"manifest.csv", "manifest.version"}


def test_table_has_exactly_the_codes_of_the_source() -> None:
    [rows] = tables_headed(
        page("reference/oneroster_csv.md"), "code", "level", "meaning", "what to do"
    )
    documented = [ticked(row["code"])[0] for row in rows]
    modules = [path for folder in SOURCES for path in folder.glob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in modules)

    assert sorted(documented) == sorted(set(_CODE.findall(text)) - _NO_CODES)
