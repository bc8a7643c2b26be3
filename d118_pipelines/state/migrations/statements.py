"""The migrations' SQL on either engine.

Belongs here: running it, and the few words in which the engines differ. Migrations are
plain SQL, written once and never changed: they do not move with the models.
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
    },
    "postgresql": {
        "id": "UUID",
        "time": "TIMESTAMP WITH TIME ZONE",
        "serial": "SERIAL PRIMARY KEY",
        "bigserial": "BIGSERIAL PRIMARY KEY",
        "by_key": "",
    },
}
# What every record of the roster begins with, as of revision 0002.
_RECORD = (
    "id {id} NOT NULL PRIMARY KEY, district_id TEXT NOT NULL, provider_id TEXT NOT NULL, "
    "external_id TEXT NOT NULL, status TEXT NOT NULL, inactive_reason TEXT, "
    "deactivated_at {time}, deactivated_by_run TEXT, row_hash TEXT NOT NULL, "
    "metadata TEXT, created_at {time} NOT NULL, updated_at {time} NOT NULL, "
    "created_by_run TEXT NOT NULL, last_changed_run TEXT NOT NULL"
)


def run(connection: sa.Connection, text: str) -> None:
    """Run statements separated by `;`. A `@` stands for one inside a statement."""
    words = {"{record}": _RECORD}
    words |= {f"{{{k}}}": v for k, v in _WORDS[connection.dialect.name].items()}
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    for statement in text.split(";"):
        connection.exec_driver_sql(statement.replace("@", ";").strip())
