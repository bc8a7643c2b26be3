"""The part of `mappings/csv.yaml` that says how files are read and recognised.

Read for `source.py` by `workflows/providers/provider_sources.py`; `recognition.py`
applies it, staging reads the rest. Rule: docs/reference/csv_files.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from d118_pipelines.config.yaml_files import (
    Model,
    configuration_error,
    read_yaml,
    shown_path,
)
from d118_pipelines.errors import ConfigurationError

# In the order in which they are pulled.
COLLECTIONS = ("schools", "classes", "users", "enrollments")
CollectionName = Literal["schools", "classes", "users", "enrollments"]
FileType = Literal["schools", "classes", "users", "students", "enrollments"]


class FileProcessing(Model):
    """`file_processing`: how the bytes of a file become rows."""

    encoding_detection: bool = True
    chunk_size: Annotated[int, Field(ge=1)] = 1000
    skip_empty_rows: bool = True


class UserPattern(Model):
    """A header that has all of these columns, by exactly these names, is of the type."""

    columns: Annotated[list[str], Field(min_length=1)]
    type: FileType


class FormatDetection(Model):
    """`format_detection`: what headers say.

    required_columns: canonical columns without which a file is not of that collection.
    columns: per collection, canonical column -> aliases in order of precedence.
    implied_roles: role of an enrollment by the alias used for its `user_id`.
    """

    user_patterns: list[UserPattern]
    required_columns: dict[CollectionName, list[str]]
    columns: dict[CollectionName, dict[str, list[str]]]
    implied_roles: dict[str, str]

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        for name in COLLECTIONS:
            if name not in self.columns or name not in self.required_columns:
                raise ValueError(f"columns and required_columns must have {name}")
            columns = self.columns[name]
            spellings = [s for c, aliases in columns.items() for s in (c, *aliases)]
            twice = sorted({s for s in spellings if spellings.count(s) > 1})
            if twice:
                raise ValueError(f"{name}: {', '.join(twice)} fits two columns")
            unknown = sorted(set(self.required_columns[name]) - set(columns))
            if unknown:
                raise ValueError(f"{name}: {', '.join(unknown)} is not a column")
        return self


class CsvRules(Model):
    """How files are read and recognised.

    file_patterns: collection -> patterns of file names; the first match in the order of
    the file counts.
    """

    file_processing: FileProcessing = FileProcessing()
    format_detection: FormatDetection
    file_patterns: dict[CollectionName, list[str]]


def read_rules(path: Path) -> CsvRules:
    """Read the rules of a CSV mapping file; its other keys are the staging's.

    Raises: ConfigurationError with file, line, key and rule.
    """
    document = read_yaml(path)
    if not isinstance(document.data, dict):
        raise ConfigurationError(f"{shown_path(path)} must be a mapping of keys.")
    own = {k: v for k, v in document.data.items() if k in CsvRules.model_fields}
    try:
        return CsvRules.model_validate(own)
    except ValidationError as exc:
        raise configuration_error(document, exc) from None
