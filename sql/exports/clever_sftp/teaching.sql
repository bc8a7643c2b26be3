-- Who teaches a section, each person once with the first role: by ROLEID (the lead is the
-- lowest), then whom the section names as teacher, then by begin. place counts those of
-- Teachers.csv; it is null for anybody else, whom Clever would not find.
-- Rule: docs/reference/clever_sftp.md, teachers of a section.
WITH listed AS (
    SELECT
        t.sectionid, t.users_dcid, t.roleid, t.start_date, t.id,
        t.users_dcid IS NOT DISTINCT FROM s.teacher_users_dcid AS is_lead
    FROM raw.powerschool.clever_section_teachers AS t
    JOIN kept_sections AS s ON s.id = t.sectionid
    -- Before and after the term its first and its last day count.
    WHERE t.has_email = 1 AND (NOT $teacher_dates OR (
        coalesce(CAST(t.start_date AS DATE), s.first_day)
        <= greatest(least($today, s.last_day), s.first_day)
        AND coalesce(CAST(t.end_date AS DATE), s.last_day)
        >= greatest(least($today, s.last_day), s.first_day)))
    QUALIFY row_number() OVER (PARTITION BY t.sectionid, t.users_dcid
        ORDER BY t.roleid, t.start_date NULLS FIRST, t.id) = 1
)

SELECT
    l.sectionid, l.users_dcid,
    CASE WHEN p.users_dcid IS NOT NULL THEN row_number() OVER (
        PARTITION BY l.sectionid, p.users_dcid IS NULL
        ORDER BY l.roleid, l.is_lead DESC, l.start_date NULLS FIRST, l.users_dcid)
    END AS place
FROM listed AS l
LEFT JOIN teacher_rows AS p ON p.users_dcid = l.users_dcid AND p.problem IS NULL
