"""The ways in which small sync services write a roster, over the same CSV folder.

    python -m bench.roster_baselines WAY FOLDER DATABASE_URL

`orm`: one merge per record. `select`: SELECT, then INSERT or UPDATE, per record, in one
transaction. `pandas`: read both sides, merge, write the differences. Each ends with the
soft delete of what is missing. Only what is needed to be fair: no check, no history.
`floor`: what no way can do without: read the files, hash each row, write the rows.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

FILES = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")


def read_header(path: Path) -> list[str]:
    """The column names of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def tables(folder: Path) -> dict[str, sa.Table]:
    """One table per file: its columns as text, and `active`."""
    metadata = sa.MetaData()
    return {
        name: sa.Table(
            f"plain_{name.lower()}",
            metadata,
            *(
                sa.Column(column, sa.Text, primary_key=column == "sourcedId")
                for column in read_header(folder / f"{name}.csv")
            ),
            sa.Column("active", sa.Boolean, nullable=False),
        )
        for name in FILES
    }


def rows(folder: Path, name: str) -> Any:
    """The rows of one file as dicts, blanks as None."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {key: value or None for key, value in row.items()} | {"active": True}


def retire(connection: sa.Connection, table: sa.Table, seen: set[str]) -> None:
    """Soft-delete what the file no longer has."""
    known = connection.execute(sa.select(table.c.sourcedId).where(table.c.active))
    gone = [{"gone": key} for (key,) in known if key not in seen]
    if gone:
        connection.execute(
            table.update()
            .where(table.c.sourcedId == sa.bindparam("gone"))
            .values(active=False),
            gone,
        )


def with_orm(engine: sa.Engine, folder: Path) -> int:
    """One `Session.merge` per record, as an ORM service does."""
    registry, count = orm.registry(), 0
    for name, table in tables(folder).items():
        record = type(table.name.title().replace("_", ""), (), {})
        registry.map_imperatively(record, table)
        seen: set[str] = set()
        with orm.Session(engine) as session:
            for row in rows(folder, name):
                merged = record()
                for key, value in row.items():
                    setattr(merged, key, value)
                session.merge(merged)
                seen.add(row["sourcedId"])
                count += 1
                if count % 1000 == 0:
                    session.commit()
            session.commit()
        with engine.begin() as connection:
            retire(connection, table, seen)
    return count


def with_select(engine: sa.Engine, folder: Path) -> int:
    """SELECT, then INSERT or UPDATE, per record, all in one transaction."""
    count = 0
    with engine.begin() as connection:
        for name, table in tables(folder).items():
            key = table.c.sourcedId
            find = sa.select(table).where(key == sa.bindparam("wanted"))
            insert = table.insert()
            update = table.update().where(key == sa.bindparam("wanted"))
            seen: set[str] = set()
            for row in rows(folder, name):
                wanted = row["sourcedId"]
                found = connection.execute(find, {"wanted": wanted}).first()
                if found is None:
                    connection.execute(insert, row)
                elif dict(found._mapping) != row:
                    values = {k: v for k, v in row.items() if k != "sourcedId"}
                    connection.execute(update, {"wanted": wanted} | values)
                seen.add(wanted)
                count += 1
            retire(connection, table, seen)
    return count


def with_pandas(engine: sa.Engine, folder: Path) -> int:
    """Both sides as frames, one merge, the differences written in bulk."""
    import pandas as pd

    count = 0
    for name, table in tables(folder).items():
        new = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        new = new.replace({"": None})
        count += len(new)
        with engine.begin() as connection:
            old = pd.read_sql(sa.select(table), connection)
            both = new.merge(
                old, on="sourcedId", how="outer", indicator=True, suffixes=("", "_old")
            )
            fields = [c for c in new.columns if c != "sourcedId"]
            fresh = both[both["_merge"] == "left_only"][list(new.columns)]
            kept = both[both["_merge"] == "both"]
            differs = pd.Series(False, index=kept.index)
            for field in fields:
                a, b = kept[field], kept[f"{field}_old"]
                differs |= ~((a == b) | (a.isna() & b.isna()))
            if len(fresh):
                fresh.assign(active=True).to_sql(
                    table.name, connection, if_exists="append", index=False
                )
            changed = kept[differs][["sourcedId", *fields]].to_dict("records")
            if changed:
                statement = table.update().where(
                    table.c.sourcedId == sa.bindparam("wanted")
                )
                connection.execute(
                    statement.values(active=True),
                    [{"wanted": row.pop("sourcedId"), **row} for row in changed],
                )
            retire(connection, table, set(new["sourcedId"]))
    return count


def floor(engine: sa.Engine, folder: Path) -> int:
    """Read the CSV with DuckDB, hash each row once, write each row once."""
    from d118_pipelines.kernel.frames import open_frames
    from d118_pipelines.state.bulk import append_frame

    count, duck = 0, open_frames()
    with engine.begin() as connection:
        for name in FILES:
            header = read_header(folder / f"{name}.csv")
            columns = ", ".join(f'"{column}"' for column in header)
            texts = ", ".join(f"'{column}': 'VARCHAR'" for column in header)
            query = (
                f"SELECT {columns}, md5(concat_ws(chr(31), {columns})) AS hash "
                f"FROM read_csv('{folder / name}.csv', header = true, "
                f"auto_detect = false, columns = {{{texts}}})"
            )
            table = f"floor_{name.lower()}"
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
            kinds = ", ".join(f'"{column}" TEXT' for column in (*header, "hash"))
            connection.exec_driver_sql(f"CREATE TABLE {table} ({kinds})")
            append_frame(connection, duck, query, table)
            [[rows]] = connection.exec_driver_sql(f"SELECT count(*) FROM {table}")
            count += rows
    return count


WAYS = {"orm": with_orm, "select": with_select, "pandas": with_pandas, "floor": floor}


def main() -> None:
    """Make the tables if they are not there, write the roster, print what it took."""
    way, folder, url = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    engine = sa.create_engine(url)
    for table in tables(folder).values():
        table.create(engine, checkfirst=True)
    start, begin = time.perf_counter(), time.process_time()
    count = WAYS[way](engine, folder)
    answer = {
        "rows": count,
        "seconds": round(time.perf_counter() - start, 2),
        "cpu": round(time.process_time() - begin, 2),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
