-- What is not in the files, or not as PowerSchool has it, and why. Keys are the
-- identifiers of Clever; the detail names file and columns, never a value.
WITH found (code, key, detail) AS (
    SELECT problem, student_id, 'Students.csv' FROM student_rows
    UNION ALL
    SELECT problem, teacher_id, 'Teachers.csv' FROM teacher_rows
    UNION ALL
    SELECT problem, key, 'Staff.csv' FROM staff_rows WHERE $deliver_staff
    UNION ALL
    SELECT problem, section_id, 'Sections.csv' FROM section_rows
    UNION ALL
    SELECT 'clever_sftp.duplicate_id', CAST(s.id AS VARCHAR), 'Sections.csv'
    FROM raw.powerschool.sections AS s
    JOIN current_terms AS t ON t.schoolid = s.schoolid AND t.id = s.termid
    JOIN kept_sections AS k ON k.id = s.id
    GROUP BY s.id
    HAVING count(*) > 1
    UNION ALL
    SELECT problem, key, 'Enrollments.csv' FROM enrollment_rows WHERE $deliver_enrollments
    UNION ALL
    SELECT problem, school_id, 'Schools.csv' FROM school_rows WHERE $deliver_schools
    UNION ALL
    SELECT 'clever_sftp.bad_value', student_id, 'Students.csv: ' || bad_values
    FROM student_rows
    WHERE problem IS NULL AND bad_values <> ''
    UNION ALL
    SELECT 'clever_sftp.bad_value', section_id, 'Sections.csv: ' || bad_values
    FROM section_rows
    WHERE problem IS NULL AND bad_values IS NOT NULL
    UNION ALL
    SELECT 'clever_sftp.too_many_teachers', section_id,
        teachers || ' teachers, the first 10 were sent'
    FROM section_rows
    WHERE teachers > 10
    UNION ALL
    SELECT 'clever_sftp.orphan', CAST(sectionid AS VARCHAR),
        'Sections.csv: teacher ' || string_agg(users_dcid, ', ' ORDER BY users_dcid)
    FROM teaching
    WHERE place IS NULL
    GROUP BY sectionid
    UNION ALL
    SELECT DISTINCT 'clever_sftp.years_doubled', CAST(schoolid AS VARCHAR), 'TERMS'
    FROM current_terms
    WHERE rivals > 0
    UNION ALL
    SELECT 'clever_sftp.year_without_dates', t.schoolid || '/' || t.id, 'TERMS'
    FROM raw.powerschool.terms AS t
    JOIN raw.powerschool.schools AS s ON s.school_number = t.schoolid
        AND s.state_excludefromreporting = 0
    WHERE t.isyearrec = 1 AND (t.firstday IS NULL OR t.lastday IS NULL)
)

SELECT code, key, detail FROM found WHERE code IS NOT NULL
