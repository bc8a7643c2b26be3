-- Enrollments of students: not dropped, attended, each (student, section, days) once with
-- its highest DCID. DATELEFT is exclusive. Rule: docs/reference/powerschool.md.
SELECT
    e._collection, e._row, e.dcid, e.students_dcid, e.sectionid,
    CAST(s.schoolid AS VARCHAR) AS school,
    CAST(e.dateenrolled AS DATE) AS begin_date, CAST(e.dateleft AS DATE) AS end_date
FROM raw.enrollments AS e
JOIN raw.kept_sections AS s ON s.id = e.sectionid
WHERE e.sectionid > 0 AND CAST(e.dateleft AS DATE) > CAST(e.dateenrolled AS DATE)
QUALIFY row_number() OVER (PARTITION BY e.students_dcid, e.sectionid,
    CAST(e.dateenrolled AS DATE), CAST(e.dateleft AS DATE) ORDER BY e.dcid DESC) = 1
