-- Sections of the current terms with their course. Of two courses with one number the
-- school's own comes first, then the lower DCID.
-- GRADE_LEVEL holds the digits of a range (345 is 3-5): it is read as the one range of the
-- school's grades that has these digits. Rule: docs/reference/powerschool.md, sections.
WITH bounds AS (
    SELECT unnest(range(-2, 14)) AS bound
),

ranges AS (
    SELECT
        low.bound AS low, high.bound AS high,
        array_to_string(range(low.bound, high.bound + 1), '') AS digits
    FROM bounds AS low
    JOIN bounds AS high ON high.bound = low.bound
        OR (low.bound >= 1 AND high.bound > low.bound)
),

grades AS (
    SELECT
        s.id,
        any_value([CASE g WHEN -2 THEN 'PR' WHEN -1 THEN 'PK' WHEN 0 THEN 'KG'
            ELSE printf('%02d', g) END FOR g IN range(r.low, r.high + 1)]) AS grades
    FROM raw.sections AS s
    JOIN raw.buildings AS b ON b.school_number = s.schoolid
    JOIN ranges AS r ON r.digits = CAST(s.grade_level AS VARCHAR)
        AND r.low >= b.low_grade AND r.high <= b.high_grade
    GROUP BY s.id
    HAVING count(*) = 1
)

SELECT
    s._row AS origin_row, s.id, s.schoolid, s.course_number, s.section_number, s.teacher,
    s.teacher_users_dcid, s.room, s.expression, s.grade_level,
    t.external_id AS term, c.dcid AS course_dcid, c.course_name, g.grades
FROM raw.sections AS s
JOIN raw.current_terms AS t ON t.schoolid = s.schoolid AND t.id = s.termid
LEFT JOIN raw.courses AS c ON c.course_number = s.course_number
LEFT JOIN grades AS g ON g.id = s.id
QUALIFY row_number() OVER (PARTITION BY s.id, s._row
    ORDER BY c.schoolid = s.schoolid DESC NULLS LAST, c.dcid) = 1
