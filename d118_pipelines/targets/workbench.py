"""The DuckDB session in which one target's SQL runs; every option is `$name`.

Called by `build.py` and the modules of its steps. SQL may read the assets it names
(`raw.powerschool.staff`), `roster.users` and so on, the target's own tables,
`population`, `outcome`, `exported`, `ledger`, `ledger_seed`, and each finished file
under its name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.outages import outage_of
from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.targets.secret_columns import SecretColumn

if TYPE_CHECKING:
    import duckdb

_OPTION = re.compile(r"\$([a-z_][a-z0-9_]*)")


class Workbench:
    """One in-memory DuckDB session; nothing of it outlives the export."""

    def __init__(
        self,
        options: Mapping[str, Any],
        spill_folder: Path | None = None,
        secrets: Mapping[str, SecretColumn] | None = None,
    ) -> None:
        """spill_folder: where goes what exceeds the memory; the caller removes it.

        secrets: variable -> what the columns of that secret have.
        """
        self._options = options
        self.secrets = secrets or {}
        self.connection = open_frames(spill_folder)

    def __enter__(self) -> Workbench:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def add_input(self, parts: tuple[str, str, str], parquet: Path) -> None:
        """Make a stored extract readable as `layer.system.entity`."""
        layer, system, entity = parts
        run = self.connection.execute
        run(f"ATTACH IF NOT EXISTS ':memory:' AS {layer}")
        run(f"CREATE SCHEMA IF NOT EXISTS {layer}.{system}")
        self.add_view(f"{layer}.{system}.{entity}", parquet)

    def add_roster(self, relation: str, parquet: Path) -> None:
        """Make a relation of the roster of record readable as `roster.<relation>`."""
        self.connection.execute("ATTACH IF NOT EXISTS ':memory:' AS roster")
        self.add_view(f"roster.{relation}", parquet)

    def add_view(self, name: str, parquet: Path) -> None:
        """Make a Parquet file readable under a name."""
        self.connection.execute(
            f"CREATE OR REPLACE VIEW {name} AS FROM read_parquet({literal(parquet)})"
        )

    def add_rows(
        self, name: str, columns: Mapping[str, str], rows: Sequence[Any]
    ) -> None:
        """Make a table from tuples; `columns` maps each name to its DuckDB type."""
        layout = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} ({layout})")
        if rows:
            import numpy as np  # heavy; Arrow would import pandas to make these arrays

            values = zip(*rows, strict=True)
            arrays = {
                name: np.array(column, dtype=object)
                for name, column in zip(columns, values, strict=True)
            }
            self.connection.register("incoming", arrays)
            self.connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")
            self.connection.unregister("incoming")

    def run(self, sql: str, origin: str) -> duckdb.DuckDBPyConnection:
        """Run one statement with the options that it names.

        Raises: ConfigurationError naming `origin` (the file, or the rule) if DuckDB
        refuses the statement or it names an option that is not declared.
        """
        import duckdb  # heavy: only when an export is built

        named = dict.fromkeys(_OPTION.findall(sql))
        missing = [name for name in named if name not in self._options]
        if missing:
            raise ConfigurationError(
                f"{origin} uses ${missing[0]}, which is not among the target's options.",
                not_done="Nothing was exported.",
            )
        try:
            return self.connection.execute(sql, {n: self._options[n] for n in named})
        except duckdb.Error as exc:
            if outage := outage_of(exc):
                raise outage from None
            # Messages of binder and parser name columns; conversion errors name values.
            shown = (
                str(exc).splitlines()[0] if _names_no_value(exc) else type(exc).__name__
            )
            raise ConfigurationError(
                f"{origin} cannot be run: {shown}", not_done="Nothing was exported."
            ) from None

    def make_view(self, name: str, sql: str, origin: str) -> None:
        """Make a view of a SELECT; its options are written into it, as it keeps none.

        Raises: as `run`.
        """

        def value(match: re.Match[str]) -> str:
            known = match[1] in self._options
            return _value_sql(self._options[match[1]]) if known else match[0]

        self.run(f"CREATE VIEW {name} AS {_OPTION.sub(value, sql)}", origin)

    def keep(self, sql: str, path: Path, origin: str) -> None:
        """Write the rows of a SELECT as Parquet, readable by the owner alone."""
        self.run(f"COPY ({sql}) TO {literal(path)} (FORMAT parquet)", origin)
        path.chmod(0o600)

    def rows(self, sql: str, origin: str) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows."""
        return self.run(sql, origin).fetchall()


def _value_sql(value: Any) -> str:
    """An option's value as SQL."""
    if isinstance(value, list):
        return f"CAST([{', '.join(map(_value_sql, value))}] AS VARCHAR[])"
    if isinstance(value, bool | int):
        return str(value).lower()
    return (
        f"DATE {literal(str(value))}" if isinstance(value, dt.date) else literal(value)
    )


def _names_no_value(exc: Exception) -> bool:
    import duckdb  # heavy: only when an export is built

    kinds = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)
    return isinstance(exc, kinds)
