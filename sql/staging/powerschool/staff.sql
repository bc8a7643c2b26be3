-- Staff: one row per person with one role per org. STAFFSTATUS 1 is a teacher, everything
-- else is staff: nobody is taken for an administrator or an aide by it.
-- Rule: docs/reference/powerschool.md, staff of the roster.
WITH held AS (
    SELECT
        s.*,
        coalesce(b.org, CAST(s.schoolid AS VARCHAR)) AS org,
        if(s.staffstatus = 1, 'teacher', 'staff') AS word,
        s.schoolid IS NOT DISTINCT FROM s.homeschoolid AS is_home
    FROM raw.staff AS s
    LEFT JOIN raw.buildings AS b ON b.school_number = s.schoolid
),

-- Where several buildings have one org, the home building's role counts there, then
-- the lowest building's.
placed AS (
    SELECT * FROM held
    QUALIFY row_number() OVER (PARTITION BY users_dcid, org
        ORDER BY is_home DESC, schoolid) = 1
)

SELECT
    arg_min(_collection, _row) AS _collection, min(_row) AS _row, users_dcid,
    any_value(lower(trim(email_addr))) AS email,
    any_value(nullif(trim(teachernumber), '')) AS teachernumber,
    -- Logins that begin like this are no names.
    any_value(teacherloginid) FILTER (NOT (starts_with(teacherloginid, '##')
        OR starts_with(teacherloginid, '~~'))) AS username,
    any_value(first_name) AS first_name, any_value(middle_name) AS middle_name,
    any_value(last_name) AS last_name, any_value(title) AS title,
    any_value(sif_stateprid) AS sif_stateprid,
    arg_min(org, (NOT is_home, schoolid)) AS school,
    list(word ORDER BY schoolid) AS roles,
    list('primary' ORDER BY schoolid) AS role_types,
    list(org ORDER BY schoolid) AS role_orgs
FROM placed
GROUP BY users_dcid
