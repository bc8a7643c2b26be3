"""`python -m d118_pipelines.cli.settings_reference`: prints every setting of a district.

Called by `make cli-reference`; a test holds docs/reference/settings.md to it. What an
example file says above a variable is its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from d118_pipelines.config.district import District
from d118_pipelines.kernel.shipped import SHIPPED

_HEAD = """\
# Every setting

Made from the code by `make cli-reference`; do not edit. Providers have
[a page of their own](providers.md), and so have [targets](target_yaml.md),
[mapping files](mapping_files.md) and the limits under [guard](matching_and_guard.md).

## config/district.yaml

| key | value | default |
|---|---|---|
"""
_VARIABLES = """
## The environment, or .env

| variable | meaning |
|---|---|
"""


def page() -> str:
    """The whole of docs/reference/settings.md."""
    keys = "".join(
        f"| `{key}` | {kind} | {default} |\n"
        for key, kind, default in keys_of(District)
    )
    text = (SHIPPED / ".env.example").read_text(encoding="utf-8")
    variables = "".join(f"| `{n}` | {meaning} |\n" for n, meaning in variables_of(text))
    return f"{_HEAD}{keys}{_VARIABLES}{variables}"


def keys_of(model: type[BaseModel], under: str = "") -> Iterator[tuple[str, str, str]]:
    """Key, kind of value and default of every field, those of inner models too."""
    for name, field in model.model_fields.items():
        key = f"{under}{field.alias or name}"
        inner = _model_in(field.annotation)
        default = field.default
        is_list = "list" in str(field.annotation)
        if inner is None:
            plain = default is PydanticUndefined
            shown = "required" if plain else f"`{_shown(default)}`"
            yield key, _kind(field.annotation), shown
        else:
            yield from keys_of(inner, f"{key}[]." if is_list else f"{key}.")


def variables_of(text: str) -> Iterator[tuple[str, str]]:
    """Name and comment of each variable of an example file.

    Several names in a row share the comment above the first.
    """
    comment: list[str] = []
    was_name = False
    for line in text.splitlines():
        found = re.match(r"#([A-Z][A-Z0-9_]*)=", line)
        if found:
            yield found[1], " ".join(comment).replace("|", "\\|").replace("<", "&lt;")
        elif line.startswith("# "):
            comment = [*([] if was_name else comment), line[2:]]
        else:
            comment = []
        was_name = found is not None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(part) for part in get_args(annotation))
    return next((one for one in inner if one is not None), None)


def _kind(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    text = re.sub(r"typing\.|datetime\.|annotated_types\.", "", text)
    text = re.sub(r"Annotated\[([\w\[\], |]+?), .*?\](?=\]|,|$| \|)", r"\1", text)
    text = re.sub(r"Optional\[(.*)\]$", r"\1 | None", text)
    words = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
    }
    for name, word in words.items():
        text = re.sub(rf"\b{name}\b", word, text)
    return text.replace("NoneType", "null").replace("None", "null").replace("|", "or")


def _shown(default: Any) -> str:
    values = {None: "null", True: "true", False: "false"}
    is_plain = isinstance(default, bool) or default is None
    return values[default] if is_plain else str(default)


if __name__ == "__main__":
    print(page(), end="")
