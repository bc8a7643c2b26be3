"""Generated districts of four sizes, as OneRoster 1.1 CSV folders.

Belongs here: the data of the roster benchmark. Everything is made up by arithmetic on
row numbers, set-based, so that a million students take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.kernel.frames import open_frames


@dataclass(frozen=True, slots=True)
class Size:
    """Students and enrollments; all else follows from them."""

    name: str
    students: int
    enrollments: int

    @property
    def schools(self) -> int:
        """One school for about 700 students."""
        return max(2, self.students // 700)

    @property
    def teachers(self) -> int:
        """One teacher for 15 students."""
        return self.students // 15

    @property
    def classes(self) -> int:
        """About 27 enrollments a class, its teacher among them."""
        return self.enrollments // 27


SIZES = {
    size.name: size
    for size in (
        Size("S", 5_000, 40_000),
        Size("M", 50_000, 400_000),
        Size("L", 200_000, 1_600_000),
        Size("XL", 1_000_000, 8_000_000),
    )
}

MANIFEST = """propertyName,value
manifest.version,1.0
oneroster.version,1.1
file.academicSessions,bulk
file.categories,absent
file.classes,bulk
file.classResources,absent
file.courses,bulk
file.courseResources,absent
file.demographics,absent
file.enrollments,bulk
file.lineItems,absent
file.orgs,bulk
file.resources,absent
file.results,absent
file.users,bulk
source.systemName,Generated district
source.systemCode,bench
"""

# {students} and the like are numbers of the size; {changed} is true on the changed day.
FILES = {
    "orgs": """
        SELECT 'D1' AS sourcedId, '' AS status, '' AS dateLastModified,
               'Generated District' AS name, 'district' AS type, '1' AS identifier,
               '' AS parentSourcedId
        UNION ALL
        SELECT 'S' || i, '', '', 'School ' || i, 'school', (1000 + i)::VARCHAR, 'D1'
        FROM range({schools}) t(i)""",
    "academicSessions": """
        SELECT * FROM (VALUES
          ('Y27', '', '', '2026-27', 'schoolYear', '2026-08-17', '2027-06-05', '', '2027'),
          ('Y27-1', '', '', 'S1', 'semester', '2026-08-17', '2027-01-16', 'Y27', '2027'),
          ('Y27-2', '', '', 'S2', 'semester', '2027-01-16', '2027-06-05', 'Y27', '2027')
        ) t(sourcedId, status, dateLastModified, title, type, startDate, endDate,
            parentSourcedId, schoolYear)""",
    "courses": """
        SELECT 'C' || i AS sourcedId, '' AS status, '' AS dateLastModified,
               'Y27' AS schoolYearSourcedId, 'Course ' || i AS title,
               'CR' || i AS courseCode, '' AS grades, 'S' || (i % {schools}) AS orgSourcedId,
               '' AS subjects, '' AS subjectCodes
        FROM range({schools} * 40) t(i)""",
    "classes": """
        SELECT 'K' || i AS sourcedId, '' AS status, '' AS dateLastModified,
               'Class ' || i || CASE WHEN {changed} AND i % 100 = 7 THEN ' B' ELSE '' END
                 AS title,
               lpad((1 + i % 12)::VARCHAR, 2, '0') AS grades,
               'C' || (i % {schools} + {schools} * (i % 40)) AS courseSourcedId,
               'CR-' || i AS classCode, 'scheduled' AS classType,
               'Room ' || (i % 90) AS location, 'S' || (i % {schools}) AS schoolSourcedId,
               'Y27' AS termSourcedIds, '' AS subjects,
               '' AS subjectCodes, (1 + i % 8)::VARCHAR AS periods
        FROM range({classes}) t(i)""",
    "users": """
        SELECT 'U' || i AS sourcedId, '' AS status, '' AS dateLastModified,
               'true' AS enabledUser, 'S' || (i % {schools}) AS orgSourcedIds,
               'student' AS role, 'stu' || i AS username,
               '{{studentNumber:' || (2000000 + i) || '}}' AS userIds,
               'First' || (i % 997)
                 || CASE WHEN {changed} AND i % 100 = 3 THEN 'x' ELSE '' END AS givenName,
               'Last' || (i % 7919) AS familyName, '' AS middleName,
               (2000000 + i)::VARCHAR AS identifier,
               'stu' || i || '@bench.example' AS email, '' AS sms, '' AS phone,
               '' AS agentSourcedIds, lpad((1 + i % 12)::VARCHAR, 2, '0') AS grades,
               '' AS password
        FROM range({students}) t(i)
        UNION ALL
        SELECT 'T' || i, '', '', 'true', 'S' || (i % {schools}), 'teacher', 'tea' || i,
               '{{staffId:' || i || '}}', 'Teach' || (i % 997), 'Er' || (i % 7919), '',
               i::VARCHAR, 'tea' || i || '@bench.example', '', '', '', '', ''
        FROM range({teachers}) t(i)""",
    "enrollments": """
        SELECT 'E' || i || CASE WHEN {changed} AND i % 200 = 11 THEN 'n' ELSE '' END
                 AS sourcedId, '' AS status, '' AS dateLastModified,
               'K' || ((i * 7919) % {classes}) AS classSourcedId,
               'S' || (((i * 7919) % {classes}) % {schools}) AS schoolSourcedId,
               'U' || (i % {students}) AS userSourcedId, 'student' AS role,
               '' AS "primary", '2026-08-17' AS beginDate,
               CASE WHEN {changed} AND i % 200 = 12 THEN '2026-10-02'
                    ELSE '2027-06-05' END AS endDate
        FROM range({enrollments} - {classes}) t(i)
        UNION ALL
        SELECT 'ET' || i, '', '', 'K' || i, 'S' || (i % {schools}),
               'T' || (i % {teachers}), 'teacher', 'true', '2026-08-17', '2027-06-05'
        FROM range({classes}) t(i)""",
}


def write_district(
    folder: Path, size: Size, *, changed: bool = False, backwards: bool = False
) -> int:
    """Write one district; on the changed day about 1 % differs. Returns the bytes.

    backwards: the same rows in another order, so in other bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text(MANIFEST, encoding="utf-8")
    numbers = {
        "students": size.students,
        "schools": size.schools,
        "teachers": size.teachers,
        "classes": size.classes,
        "enrollments": size.enrollments,
        "changed": "true" if changed else "false",
    }
    order = "ORDER BY sourcedId DESC" if backwards else ""
    frames = open_frames()
    # The limit is for a sync; sorting eight million rows to write them takes more.
    frames.execute("SET memory_limit = '8GB'")
    try:
        for name, sql in FILES.items():
            target = str(folder / f"{name}.csv").replace("'", "''")
            frames.execute(
                f"COPY (SELECT nullif(COLUMNS(*)::VARCHAR, '') "
                f"FROM ({sql.format(**numbers)}) {order}) TO '{target}' (HEADER)"
            )
    finally:
        frames.close()
    return sum(path.stat().st_size for path in folder.iterdir())
