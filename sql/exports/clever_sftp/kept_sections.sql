-- Sections of the current terms that somebody takes, with their course. Of two courses with
-- one number the school's own comes first, then the lower DCID.
-- Rule: docs/reference/clever_sftp.md, sections.
WITH students_now AS (
    SELECT DISTINCT e.sectionid
    FROM raw.powerschool.enrollments AS e
    JOIN student_rows AS s ON s.dcid = e.students_dcid AND s.problem IS NULL
)

SELECT
    s.id, s.schoolid, s.course_number, s.section_number, s.teacher_users_dcid,
    s.expression, s.grade_level, c.course_name, c.credittype,
    t.term_name, t.first_day, t.last_day
FROM raw.powerschool.sections AS s
JOIN current_terms AS t ON t.schoolid = s.schoolid AND t.id = s.termid
JOIN raw.powerschool.clever_taken_sections AS k ON k.sectionid = s.id
LEFT JOIN raw.powerschool.courses AS c ON c.course_number = s.course_number
WHERE NOT $active_students_only OR s.id IN (SELECT sectionid FROM students_now)
QUALIFY row_number() OVER (PARTITION BY s.id
    ORDER BY s.schoolid, s.termid, s.course_number, s.section_number,
        c.schoolid = s.schoolid DESC NULLS LAST, c.dcid) = 1
