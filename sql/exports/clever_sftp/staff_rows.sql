-- Staff.csv: people who are not teachers (STAFFSTATUS 1) at a school, one row per school.
SELECT
    users_dcid, users_dcid || '/' || schoolid AS key,
    CAST(users_dcid AS VARCHAR) AS staff_id,
    CAST(schoolid AS VARCHAR) AS school_id,
    first_name, last_name, email, title, username,
    CASE WHEN first_name IS NULL OR last_name IS NULL THEN 'clever_sftp.missing_required'
        WHEN $deliver_schools AND schoolid NOT IN (
            SELECT school_number FROM raw.powerschool.schools) THEN 'clever_sftp.orphan'
    END AS problem
FROM staff_people
WHERE staffstatus <> 1 AND NOT is_account
    AND NOT list_contains($teacher_buildings_excluded, schoolid)
