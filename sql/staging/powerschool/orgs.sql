-- The district, and the buildings that a kept record refers to.
-- Rule: docs/reference/powerschool.md, buildings.
WITH referred AS (
    SELECT schoolid FROM raw.current_terms
    UNION
    SELECT schoolid FROM raw.staff
    UNION
    SELECT schoolid FROM raw.students WHERE coalesce(enroll_status, 0) IN (0, -1)
)

SELECT
    'schools' AS _collection, b.origin_row AS _row, b.org AS id, b.name, 'school' AS org_type,
    p.district_id AS parent, b.org AS sis_id,
    CASE b.low_grade WHEN -2 THEN 'PR' WHEN -1 THEN 'PK' WHEN 0 THEN 'KG'
        ELSE printf('%02d', b.low_grade) END AS low_grade,
    CASE b.high_grade WHEN -2 THEN 'PR' WHEN -1 THEN 'PK' WHEN 0 THEN 'KG'
        ELSE printf('%02d', b.high_grade) END AS high_grade,
    b.schoolphone, b.schooladdress, b.schoolcity, b.schoolstate, b.schoolzip,
    b.principal, b.principalemail
FROM raw.buildings AS b
CROSS JOIN raw.settings AS p
WHERE b.is_kept AND b.school_number IN (FROM referred)
UNION ALL BY NAME
SELECT
    'schools' AS _collection, district_id AS id, district_name AS name,
    'district' AS org_type
FROM raw.settings
