"""docs/reference/vendor_files.md has every key and code of a vendor's files."""

from __future__ import annotations

import re

import yaml

from d118_pipelines.config.provider_types import (
    VendorColumn,
    VendorFileConfig,
    VendorTable,
)
from d118_pipelines.config.providers import load_providers
from d118_pipelines.targets.model import Results
from d118_pipelines_tests.docs.markdown import (
    REPOSITORY,
    page,
    tables_headed,
    ticked,
)

PAGE = page("reference/vendor_files.md")
_CODE = re.compile(r'[" ]((?:file|results)\.[a-z_]+)[" ]')


def codes_of(*modules: str) -> set[str]:
    texts = [(REPOSITORY / "d118_pipelines" / name).read_text() for name in modules]
    return {code for text in texts for code in _CODE.findall(text)}


def test_tables_have_exactly_the_keys_of_a_file_and_of_a_column() -> None:
    files, columns = tables_headed(PAGE, "key", "default", "meaning")[:2]

    for rows, model in ((files, VendorTable), (columns, VendorColumn)):
        assert {ticked(row["key"])[0] for row in rows} == set(model.model_fields)


def test_tables_have_exactly_the_codes_of_files_and_of_results() -> None:
    files, results = tables_headed(PAGE, "code", "level", "meaning", "what to do")

    read = codes_of(
        "sources/vendor_file/source.py", "workflows/providers/vendor_files.py"
    )
    assert {ticked(row["code"])[0] for row in files} == read
    answered = codes_of("targets/results.py")
    answered |= {f"results.{kind}" for kind in ("unknown_key", "unknown_status")}
    assert {ticked(row["code"])[0] for row in results} == answered


def test_results_on_the_page_are_sound() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", page("other_files.md"), re.S)

    assert Results.model_validate(yaml.safe_load(block)["results"]).rejected


def test_template_fits_the_entry_that_is_shown() -> None:
    header = (REPOSITORY / "examples/bus_routes/routes_template.csv").read_text()

    sound, _ = load_providers(REPOSITORY)

    [provider] = [one for one in sound if one.id == "bus_routes"]
    assert isinstance(provider.model.config, VendorFileConfig)
    table = provider.model.config.files["routes"]
    wanted = [table.header_of(column).casefold() for column in table.columns]
    assert header.casefold().splitlines()[0].split(",") == wanted
