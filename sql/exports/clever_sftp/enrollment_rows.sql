-- Enrollments that have begun, or begin within $start_ahead_days, and have not ended;
-- DATELEFT is the day after the last one. Each student of a section once.
SELECT
    r.school_id, r.section_id, s.student_id,
    r.section_id || '/' || s.student_id AS key,
    if(bool_or(s.problem IS NULL), NULL, 'clever_sftp.orphan') AS problem
FROM raw.powerschool.enrollments AS e
JOIN section_rows AS r ON r.id = e.sectionid AND r.problem IS NULL
JOIN student_rows AS s ON s.dcid = e.students_dcid
    AND s.problem IS DISTINCT FROM 'clever_sftp.bad_name'
WHERE CAST(e.dateenrolled AS DATE) - CAST($start_ahead_days AS INTEGER) <= $today
    AND CAST(e.dateleft AS DATE) > greatest($today, CAST(e.dateenrolled AS DATE))
GROUP BY r.school_id, r.section_id, s.student_id
