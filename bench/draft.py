"""How long a draft takes: a file of 50,000 lines against an extract of 150 columns.

Run by `make bench`; the limit is a minute of processor time.
"""

from __future__ import annotations

import datetime as dt
import time
from contextlib import closing

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.targets.draft.file_draft import draft_file
from d118_pipelines.targets.draft.recognise import recognise
from d118_pipelines.targets.draft.relations import described

LINES, COLUMNS, WANTED = 50_000, 150, 30


def main() -> None:
    """Draft once and say what it took."""
    made = ", ".join(
        f"'v' || hash(n * {place + 1}) % {40 if place % 3 else 40_000} AS c_{place}"
        for place in range(COLUMNS - 2)
    )
    chosen = ", ".join(
        f"upper(c_{place * 4}) AS h_{place}"
        if place % 2
        else f"c_{place * 4} AS h_{place}"
        for place in range(WANTED)
    )
    with closing(open_frames()) as duck:
        duck.execute("ATTACH ':memory:' AS raw; CREATE SCHEMA raw.sis")
        duck.execute(
            f"CREATE TABLE raw.sis.people AS SELECT 7000 + n AS id, n % 3 AS status, {made} "
            f"FROM range({LINES * 3 // 2}) t(n)"
        )
        result = duck.execute(
            f"SELECT id, {chosen} FROM raw.sis.people WHERE status <> 2 ORDER BY id"
        )
        lines = [[column[0] for column in result.description], *result.fetchall()]
        data = "".join(",".join(map(str, line)) + "\n" for line in lines).encode()
        started = time.process_time()
        relations = described(duck, ["raw.sis.people"])
        given = recognise("people.csv", data)
        draft = draft_file(duck, given, relations, day=dt.date(2026, 11, 2))
        seconds = time.process_time() - started
    exact = sum(column.share == 1 for column in draft.columns)
    print(
        f"draft of {len(given.rows):,} lines, {COLUMNS} source columns: {seconds:.1f} s of "
        f"processor time (limit 60); {exact} of {len(draft.columns)} columns exact, "
        f"{draft.population.extra if draft.population else 0} too many"
    )


if __name__ == "__main__":
    main()
