-- Courses of the kept sections; one of SCHOOLID 0 belongs to the district.
SELECT
    c._collection, c._row, c.dcid, coalesce(c.course_name, c.course_number) AS name,
    c.course_number, c.credittype, c.credit_hours,
    CASE WHEN c.schoolid = 0 THEN p.district_id
        ELSE coalesce(b.org, CAST(c.schoolid AS VARCHAR)) END AS school
FROM raw.courses AS c
CROSS JOIN raw.settings AS p
LEFT JOIN raw.buildings AS b ON b.school_number = c.schoolid
WHERE c.dcid IN (SELECT course_dcid FROM raw.kept_sections)
