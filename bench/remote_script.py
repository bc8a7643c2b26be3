"""The plain script with its database one network round trip away.

Every query waits for `--milliseconds` before it answers, as a database server in the
same data centre does; the work itself is that of `plain_script.py`.

    python -m bench.remote_script smartfind --database FILE --out FOLDER --milliseconds 1
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench import plain_script


class RemoteConnection(sqlite3.Connection):
    """A SQLite connection that takes a round trip for each query."""

    seconds = 0.0

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Wait for the round trip, then run the query."""
        time.sleep(self.seconds)
        return super().execute(*args)


def main() -> None:
    """Run one export against the remote connection."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("export", choices=["hr_records", "smartfind"])
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--newest-dcid", type=int, default=0)
    parser.add_argument("--milliseconds", type=float, required=True)
    wanted = parser.parse_args()
    connection = sqlite3.connect(wanted.database, factory=RemoteConnection)
    connection.row_factory = sqlite3.Row
    connection.seconds = wanted.milliseconds / 1000
    with closing(connection):
        if wanted.export == "hr_records":
            files, _ = plain_script.hr_records(connection, set())
        else:
            files, _ = plain_script.smartfind(connection, set(), wanted.newest_dcid)
    plain_script.deliver(files, wanted.out)


if __name__ == "__main__":
    main()
