-- Teachers and helpers of the kept sections who are staff of the roster; the person whom
-- SECTIONS.TEACHER names leads, also without a row of SECTIONTEACHER (`L` + SECTIONS.ID).
-- Rule: docs/reference/powerschool.md, section teachers.
WITH listed AS (
    SELECT
        t._collection, t._row, 'T' || t.id AS id, t.users_dcid, t.sectionid, s.schoolid,
        t.users_dcid IS NOT DISTINCT FROM s.teacher_users_dcid AS is_lead,
        regexp_replace(lower(coalesce(t.rolekey, '')), '[^a-z]', '', 'g') AS key,
        regexp_replace(lower(coalesce(t.role_name, '')), '[^a-z]', '', 'g') AS name,
        t.role_name,
        CAST(t.start_date AS DATE) AS first_day, CAST(t.end_date AS DATE) AS last_day
    FROM raw.section_teachers AS t
    JOIN raw.kept_sections AS s ON s.id = t.sectionid
),

unlisted AS (
    SELECT
        'sections' AS _collection, origin_row AS _row, 'L' || id AS id, teacher_users_dcid AS users_dcid,
        id AS sectionid, schoolid, true AS is_lead
    FROM raw.kept_sections
    WHERE teacher_users_dcid IS NOT NULL AND (teacher_users_dcid, id) NOT IN (
        SELECT (users_dcid, sectionid) FROM listed WHERE users_dcid IS NOT NULL)
),

-- A lead with several rows is primary in the one that lasts longest.
everybody AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY sectionid, users_dcid
            ORDER BY last_day DESC NULLS FIRST, id DESC) AS place
    FROM (FROM listed UNION ALL BY NAME FROM unlisted)
)

SELECT
    _collection, _row, id, users_dcid, sectionid, CAST(schoolid AS VARCHAR) AS school,
    CASE WHEN is_lead OR 'leadteacher' IN (key, name) OR 'coteacher' IN (key, name)
            THEN 'teacher'
        WHEN 'teachersaide' IN (key, name) OR 'aide' IN (key, name) THEN 'aide'
        ELSE coalesce(role_name, key) END AS role,
    CASE WHEN role = 'teacher' THEN is_lead AND place = 1 END AS is_primary,
    first_day, last_day
FROM everybody
WHERE users_dcid IN (SELECT users_dcid FROM raw.staff)
