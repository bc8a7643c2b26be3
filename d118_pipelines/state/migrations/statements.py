"""The migrations' SQL on either engine: running it, and the words that differ.

Called by `versions/`. Migrations are plain SQL, written once and never changed: they do
not move with the models.
"""

from __future__ import annotations

import sqlalchemy as sa

_WORDS = {
    "sqlite": {
        "id": "TEXT",
        "time": "DATETIME",
        "serial": "INTEGER NOT NULL PRIMARY KEY",
        "bigserial": "INTEGER NOT NULL PRIMARY KEY",
        "by_key": " WITHOUT ROWID",
        "fetched": "(SELECT coalesce(sum(json_extract(value, '$.fetched')), 0) "
        "FROM json_each(stats_json))",
    },
    "postgresql": {
        "id": "UUID",
        "time": "TIMESTAMP WITH TIME ZONE",
        "serial": "SERIAL PRIMARY KEY",
        "bigserial": "BIGSERIAL PRIMARY KEY",
        "by_key": "",
        "fetched": "(SELECT coalesce(sum((value ->> 'fetched')::BIGINT), 0)::BIGINT "
        "FROM json_each(stats_json::json))",
    },
}


def run(connection: sa.Connection, text: str) -> None:
    """Run statements separated by `;`. A `@` replaces one inside a statement."""
    for word, meaning in _WORDS[connection.dialect.name].items():
        text = text.replace(f"{{{word}}}", meaning)
    for statement in text.split(";"):
        connection.exec_driver_sql(statement.replace("@", ";").strip())
