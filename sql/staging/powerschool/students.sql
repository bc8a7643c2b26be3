-- Students. The e-mail address is made from the student number and the configured domain;
-- without a domain there is none. Rule: docs/reference/powerschool.md, students.
WITH numbered AS (
    SELECT
        s.*,
        -- A floating-point number: 220001.0 is 220001, 220001.5 is none.
        CASE WHEN s.student_number = floor(s.student_number)
            THEN CAST(CAST(s.student_number AS BIGINT) AS VARCHAR) END AS number,
        CASE s.grade_level WHEN -2 THEN 'PR' WHEN -1 THEN 'PK' WHEN 0 THEN 'KG'
            ELSE printf('%02d', s.grade_level) END AS grade
    FROM raw.students AS s
    -- Those who left are in the extract only to be reported.
    WHERE coalesce(s.enroll_status, 0) IN (0, -1)
)

SELECT
    n._collection, n._row, n.dcid, n.id, n.number AS student_number,
    n.number || '@' || p.student_email_domain AS email,
    n.state_studentnumber, n.first_name, n.middle_name, n.last_name, n.gender,
    CAST(n.dob AS DATE) AS birth_date, n.grade,
    list_filter([n.grade], lambda g: g IS NOT NULL) AS grades, n.graduation_year,
    coalesce(b.org, CAST(n.schoolid AS VARCHAR)) AS school,
    ['student'] AS roles, ['primary'] AS role_types, [school] AS role_orgs
FROM numbered AS n
CROSS JOIN raw.settings AS p
LEFT JOIN raw.buildings AS b ON b.school_number = n.schoolid
