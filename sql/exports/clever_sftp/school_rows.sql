-- Schools.csv: the buildings that a row of another file names.
WITH named AS (
    SELECT school_id FROM student_rows WHERE problem IS NULL
    UNION
    SELECT school_id FROM teacher_rows WHERE problem IS NULL
    UNION
    SELECT school_id FROM staff_rows WHERE problem IS NULL
    UNION
    SELECT school_id FROM section_rows WHERE problem IS NULL
),

words (grade, word) AS (
    SELECT n, CASE n WHEN -3 THEN 'InfantToddler' WHEN -2 THEN 'Preschool'
        WHEN -1 THEN 'Prekindergarten' WHEN 0 THEN 'Kindergarten'
        ELSE CAST(n AS VARCHAR) END
    FROM unnest(range(-3, 14)) AS g (n)
)

SELECT
    s.school_number,
    CAST(s.school_number AS VARCHAR) AS school_id,
    s.name, low.word AS low_grade, high.word AS high_grade,
    s.principal, s.principalemail, s.schooladdress, s.schoolcity, s.schoolstate,
    s.schoolzip, s.schoolphone,
    if(s.name IS NULL, 'clever_sftp.missing_required', NULL) AS problem
FROM raw.powerschool.schools AS s
LEFT JOIN words AS low ON low.grade = s.low_grade
LEFT JOIN words AS high ON high.grade = s.high_grade
WHERE CAST(s.school_number AS VARCHAR) IN (SELECT school_id FROM named)
