"""The OneRoster export beside a plain writer of the same files, over generated rosters.

    python -m bench.oneroster_export [S|M|L|XL ...]

`ours`: the set with its checks, findings, plan and archive. `read back`: the same, and
the archive read by our own importer. `plain`: the rows joined by one query per file,
the csv module and a zip, nothing checked. Each way is a process of its own; the roster
is made first and not counted.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.kept import keep
from bench.roster_district import SIZES, Size
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.store.snapshot import relation_columns
from d118_pipelines.targets.build import Inputs, build_export
from d118_pipelines.targets.definition import read_target
from d118_pipelines.targets.ledger import LedgerSnapshot
from d118_pipelines.workflows.targets.self_check import read_back

ROOT = Path(__file__).parents[1]
NOW = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)

# {students} and the like are numbers of the size.
RELATIONS = {
    "orgs": """
        SELECT md5('o')::UUID AS id, 'D1' AS external_id, 'Generated District' AS name,
            'district' AS org_type, NULL::UUID AS parent_id
        UNION ALL
        SELECT md5('o' || i)::UUID, 'S' || i, 'School ' || i, 'school', md5('o')::UUID
        FROM range({schools}) t(i)""",
    "terms": """
        SELECT md5('y')::UUID AS id, 'Y27' AS external_id, '2026-27' AS name,
            'schoolYear' AS type, 2027 AS school_year, DATE '2026-08-17' AS start_date,
            DATE '2027-06-05' AS end_date""",
    "courses": """
        SELECT md5('c' || i)::UUID AS id, 'C' || i AS external_id, 'Course ' || i AS name,
            'CRS' || i AS course_code, md5('o')::UUID AS school_id
        FROM range(2000) t(i)""",
    "classes": """
        SELECT md5('k' || i)::UUID AS id, 'K' || i AS external_id, 'Class ' || i AS name,
            'scheduled' AS class_type, md5('o' || i % {schools})::UUID AS school_id,
            md5('c' || i % 2000)::UUID AS course_id, '["09"]' AS grades,
            '["' || i % 9 || '"]' AS periods
        FROM range({classes}) t(i)""",
    "users": """
        SELECT md5('u' || i)::UUID AS id, 'S' || i AS external_id, 'active' AS status,
            's' || i AS username, 's' || i || '@mail.example' AS email,
            'Given' || i AS first_name, 'Family, ' || i AS last_name,
            (100000 + i)::VARCHAR AS student_number, NULL AS staff_id, '["09"]' AS grades,
            md5('o' || i % {schools})::UUID AS primary_school_id
        FROM range({students}) t(i)
        UNION ALL
        SELECT md5('t' || i)::UUID, 'T' || i, 'active', 't' || i,
            't' || i || '@mail.example', 'Given' || i, 'Teacher' || i, NULL,
            i::VARCHAR, NULL, md5('o' || i % {schools})::UUID
        FROM range({teachers}) t(i)""",
    "enrollments": """
        SELECT md5('e' || i)::UUID AS id, 'E' || i AS external_id,
            CASE WHEN i % 27 = 0 THEN md5('t' || i % {teachers})
                ELSE md5('u' || (i // {classes} * 37 + i) % {students}) END::UUID AS user_id,
            md5('k' || i % {classes})::UUID AS class_id,
            md5('o' || i % {classes} % {schools})::UUID AS school_id,
            CASE WHEN i % 27 = 0 THEN 'teacher' ELSE 'student' END AS role,
            CASE WHEN i % 27 = 0 THEN true END AS is_primary,
            DATE '2026-08-17' AS begin_date, DATE '2027-06-05' AS end_date
        FROM range({enrollments}) t(i)""",
    "demographics": "SELECT NULL::UUID AS id WHERE false",
    "class_terms": """
        SELECT md5('k' || i)::UUID AS class_id, md5('y')::UUID AS term_id
        FROM range({classes}) t(i)""",
    "user_roles": """
        SELECT md5('u' || i)::UUID AS user_id, 0 AS position, 'student' AS role,
            md5('o' || i % {schools})::UUID AS school_id, 'student' AS source_role,
            true AS is_primary
        FROM range({students}) t(i)
        UNION ALL
        SELECT md5('t' || i)::UUID, 0, 'teacher', md5('o' || i % {schools})::UUID,
            'teacher', true
        FROM range({teachers}) t(i)""",
    "user_agents": "SELECT NULL::UUID AS user_id, NULL::UUID AS agent_id WHERE false",
}
PLAIN = {
    "orgs": "SELECT o.external_id, '', '', o.name, o.org_type, o.sis_id, p.external_id "
    "FROM orgs o LEFT JOIN orgs p ON p.id = o.parent_id ORDER BY 1",
    "academicSessions": "SELECT external_id, '', '', name, type, start_date, end_date, '', "
    "school_year FROM terms ORDER BY 1",
    "courses": "SELECT c.external_id, '', '', '', c.name, c.course_code, '', o.external_id, "
    "'', '' FROM courses c JOIN orgs o ON o.id = c.school_id ORDER BY 1",
    "classes": "SELECT c.external_id, '', '', c.name, '09', m.external_id, '', c.class_type, "
    "'', o.external_id, 'Y27', '', '', c.periods[3:-3] FROM classes c JOIN orgs o "
    "ON o.id = c.school_id JOIN courses m ON m.id = c.course_id ORDER BY 1",
    "users": "SELECT u.external_id, '', '', 'true', u.username, coalesce('{studentNumber:' "
    "|| u.student_number || '}', '{staffId:' || u.staff_id || '}'), u.first_name, "
    "u.last_name, '', '', u.email, '', '', '', u.grades[3:-3], '', '', '', '', '', "
    "o.external_id, '' FROM users u JOIN orgs o ON o.id = u.primary_school_id ORDER BY 1",
    "roles": "SELECT 'r-' || sha256(concat_ws(chr(10), u.external_id, o.external_id, "
    "r.source_role))[:32], '', '', u.external_id, 'primary', r.source_role, '', '', "
    "o.external_id, '' FROM user_roles r JOIN users u ON u.id = r.user_id "
    "JOIN orgs o ON o.id = r.school_id ORDER BY 1",
    "enrollments": "SELECT e.external_id, '', '', c.external_id, o.external_id, "
    "u.external_id, e.role, CASE WHEN e.is_primary THEN 'true' ELSE '' END, e.begin_date, "
    "e.end_date FROM enrollments e JOIN classes c ON c.id = e.class_id "
    "JOIN orgs o ON o.id = c.school_id JOIN users u ON u.id = e.user_id ORDER BY 1",
}


def make_roster(size: Size, folder: Path) -> None:
    """Write the relations of a roster of this size."""
    numbers = {
        name: getattr(size, name)
        for name in ("students", "enrollments", "schools", "teachers", "classes")
    }
    duck = open_frames(temp_folder=folder)
    for relation, sql in RELATIONS.items():
        duck.execute(f"CREATE OR REPLACE VIEW made AS {sql.format(**numbers)}")
        there = {row[0] for row in duck.execute("DESCRIBE made").fetchall()}
        first = {"status": "'active'", "provider_id": "'bench'"}
        columns = ", ".join(
            f"CAST({c if c in there else first.get(c, 'NULL')} AS {kind}) AS {c}"
            for c, kind in relation_columns(relation).items()
        )
        path = folder / f"{relation}.parquet"
        duck.execute(f"COPY (SELECT {columns} FROM made) TO '{path}' (FORMAT parquet)")
    duck.close()


def ours(roster: Path, folder: Path, *, is_checked: bool) -> Path:
    """The export; the archive."""
    target = read_target(ROOT / "mappings/targets/oneroster.yaml", ROOT / "sql/exports")
    passing = folder / ".inputs"
    passing.mkdir()
    export = build_export(
        target,
        inputs=Inputs({}, {r: roster / f"{r}.parquet" for r in target.roster_reads}),
        snapshot=LedgerSnapshot((), None, True, None),
        baseline_folder=None,
        destination="outbox",
        folder=folder,
        data_at=NOW,
        now=NOW,
        zone=ZoneInfo("America/Chicago"),
        read_back=partial(read_back, folder=passing) if is_checked else None,
    )
    assert export is not None
    broken = [f"{r.code}: {r.message}" for r in export.rules if not r.passed]
    assert not [text for text in broken if "read_back" not in text or is_checked], (
        broken
    )
    return folder / str(export.to_send[0]["name"])


def plain(roster: Path, folder: Path) -> Path:
    """One query and one csv.writer per file, straight into the archive."""
    duck = open_frames(temp_folder=folder)
    for relation in RELATIONS:
        path = roster / f"{relation}.parquet"
        duck.execute(f"CREATE VIEW {relation} AS FROM read_parquet('{path}')")
    archive = folder / "plain.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, sql in PLAIN.items():
            with (
                opened.open(f"{name}.csv", "w", force_zip64=True) as member,
                io.TextIOWrapper(member, "utf-8", newline="") as text,
            ):
                writer = csv.writer(text)
                rows = duck.execute(sql)
                while batch := rows.fetchmany(20_000):
                    writer.writerows(batch)
    return archive


WAYS: dict[str, Callable[[Path, Path], Path]] = {
    "ours": partial(ours, is_checked=False),
    "read back": partial(ours, is_checked=True),
    "plain": plain,
}


def run_way(way: str, roster: Path) -> None:
    """Make the set in this process and print what it took, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        archive = WAYS[way](roster, Path(folder))
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_SELF)
        answer = {
            "seconds": round(seconds, 2),
            "cpu": round(used.ru_utime + used.ru_stime, 2),
            "peak_mb": round(used.ru_maxrss / 1024),
            "archive_mb": round(archive.stat().st_size / 1e6, 1),
        }
    print(json.dumps(answer))


def main() -> None:
    """Measure the sizes named."""
    if sys.argv[1:2] == ["--way"]:
        run_way(sys.argv[2], Path(sys.argv[3]))
        return
    for name in sys.argv[1:] or ["S", "M"]:
        with tempfile.TemporaryDirectory() as folder:
            make_roster(SIZES[name], Path(folder))
            for way in WAYS:
                about = {"part": "export", "size": name, "way": way}
                keep(about, _measured(way, Path(folder)))


def _measured(way: str, roster: Path) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "bench.oneroster_export",
        "--way",
        way,
        str(roster),
    ]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
