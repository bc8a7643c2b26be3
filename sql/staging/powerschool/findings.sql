-- What the rules of PowerSchool's tables omitted or could not read: one row per record,
-- up to 1,000 of a code, and one with the number of the rest.
-- Rule: docs/reference/powerschool.md, findings.
WITH doubled AS (
    SELECT
        e.dcid,
        row_number() OVER (PARTITION BY e.students_dcid, e.sectionid,
            CAST(e.dateenrolled AS DATE), CAST(e.dateleft AS DATE)
            ORDER BY e.dcid DESC) AS place
    FROM raw.enrollments AS e
    JOIN raw.kept_sections AS s ON s.id = e.sectionid
    WHERE CAST(e.dateleft AS DATE) > CAST(e.dateenrolled AS DATE)
),

teaching AS (
    SELECT t.sectionid, t.users_dcid
    FROM raw.section_teachers AS t
    JOIN raw.kept_sections AS s ON s.id = t.sectionid
    CROSS JOIN raw.settings AS p
    WHERE t.end_date IS NULL OR CAST(t.end_date AS DATE) >= p.today
    UNION
    SELECT id, teacher_users_dcid FROM raw.kept_sections WHERE teacher IS NOT NULL
),

found AS (
    SELECT 'terms' AS file, 'powerschool.year_without_dates' AS code, 'warn' AS severity,
        schoolid || '-' || id AS external_id, 'start_date' AS field
    FROM raw.terms
    WHERE isyearrec = 1 AND (firstday IS NULL OR lastday IS NULL)
        AND schoolid IN (SELECT school_number FROM raw.buildings WHERE is_kept)
    UNION ALL
    SELECT 'terms', 'powerschool.years_doubled', 'warn', external_id, 'school_year'
    FROM raw.current_terms
    WHERE isyearrec = 1 AND rivals > 0
    UNION ALL
    SELECT 'sections', 'powerschool.course_unknown', 'warn', CAST(id AS VARCHAR),
        'course_external_id'
    FROM raw.kept_sections
    WHERE course_dcid IS NULL
    UNION ALL
    SELECT 'sections', 'powerschool.section_grades', 'info', CAST(id AS VARCHAR), 'grades'
    FROM raw.kept_sections
    WHERE grade_level IS NOT NULL AND grade_level <> 0 AND grades IS NULL
    UNION ALL
    SELECT 'students', 'powerschool.student_number', 'warn', 'S' || dcid, 'student_number'
    FROM raw.students
    WHERE student_number <> floor(student_number)
        AND coalesce(enroll_status, 0) IN (0, -1)
    UNION ALL
    -- A mark needs a sign before it: Dupe and Old are names.
    SELECT DISTINCT 'students', 'powerschool.marked_name',
        if(coalesce(s.enroll_status, 0) IN (0, -1), 'warn', 'info'), 'S' || s.dcid, 'last_name'
    FROM raw.students AS s, unnest([s.first_name, s.last_name]) AS t(name)
    WHERE regexp_matches(lower(t.name),
        '[_*#~(\[.-]\s*dup(e|es|licate)?\b|[_*#~(\[]\s*(old|deleted?|merged?|test|inactive)\b|do not use|^zz')
    UNION ALL
    SELECT DISTINCT 'staff', 'powerschool.staffstatus', 'info', 'T' || users_dcid, 'roles'
    FROM raw.staff
    WHERE coalesce(staffstatus, 0) NOT IN (1, 2, 3, 4)
    UNION ALL
    SELECT 'enrollments', 'powerschool.enrollment_doubled', 'warn', 'S' || dcid, ''
    FROM doubled
    WHERE place > 1
    UNION ALL
    SELECT 'enrollments', 'powerschool.enrollment_days',
        if(e.dateenrolled IS NULL OR e.dateleft IS NULL, 'warn', 'info'), 'S' || e.dcid,
        'end_date'
    FROM raw.enrollments AS e
    JOIN raw.kept_sections AS s ON s.id = e.sectionid
    WHERE coalesce(CAST(e.dateleft AS DATE) <= CAST(e.dateenrolled AS DATE), true)
    UNION ALL
    SELECT 'sections', 'powerschool.teacher_left_out', 'warn', CAST(sectionid AS VARCHAR),
        'primary_teacher_external_id'
    FROM teaching
    WHERE users_dcid IS NULL OR users_dcid NOT IN (SELECT users_dcid FROM raw.staff)
),

numbered AS (
    SELECT *, row_number() OVER (PARTITION BY code ORDER BY external_id) AS place
    FROM found
)

SELECT
    '' AS entity, code, severity, external_id, field, file AS source_file,
    CAST(NULL AS BIGINT) AS source_line, '' AS detail, CAST(1 AS BIGINT) AS "count"
FROM numbered
WHERE place <= 1000
UNION ALL
SELECT '', code, severity, NULL, field, file, NULL, '', count(*)
FROM numbered
WHERE place > 1000
GROUP BY code, severity, file, field
