"""Columns whose value is a secret: `${NAME}` as the source. docs/reference/target_yaml.md.

Called by `build.py`; the values are read by `workflows/targets/export_inputs.py`.
Tables, plans and the ledger have a mark in place of the value; `render.py` puts the
value into the file alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.model import Format, TargetModel

_MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class SecretColumn:
    """mark: what stands for the value, in letters and digits. written: as in the file."""

    mark: str
    written: str = field(repr=False)


def secret_variables(model: TargetModel) -> dict[str, str]:
    """The variables of a target's secrets, each with a column that needs it."""
    columns = [(file, c) for file in model.files for c in file.columns]
    return {c.secret: f"{c.header} of {file.file}" for file, c in columns if c.secret}


def secret_columns(
    target: str, layout: Format, values: Mapping[str, str]
) -> dict[str, SecretColumn]:
    """Variable -> what its columns have. Equal values of one target have equal marks.

    Raises: ConfigurationError for a value that the file cannot carry.
    """
    return {
        name: SecretColumn(_mark(target, name, value), _written(name, value, layout))
        for name, value in values.items()
    }


def _mark(target: str, name: str, value: str) -> str:
    """A slow hash: whoever reads a table cannot try out many values."""
    salt = f"d118 {target} {name}".encode()
    digest = hashlib.scrypt(value.encode(), salt=salt, n=1 << 14, r=8, p=1)
    return f"secret{digest[:_MARK_BYTES].hex()}"


def _written(name: str, value: str, layout: Format) -> str:
    """The value between the delimiters; around the mark, `all` has quotes already."""
    is_bare, escaped = layout.quoting == "none", value.replace('"', '""')
    try:
        value.encode(layout.encoding)
    except UnicodeEncodeError:
        raise _unfit(name) from None
    if not value.isprintable() or (is_bare and layout.delimiter in value):
        raise _unfit(name)
    if layout.quoting == "minimal" and ('"' in value or layout.delimiter in value):
        return f'"{escaped}"'
    return escaped if layout.quoting == "all" else value


def _unfit(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"The value of {name} has a character that the file cannot carry.",
        rule="A secret in a column has no control character, none that the encoding "
        "lacks, and with quoting: none no delimiter.",
        not_done="Nothing was exported.",
        next_step=f"Correct {name} in .env, or the target's format.",
    )
