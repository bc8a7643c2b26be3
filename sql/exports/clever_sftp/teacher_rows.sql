-- Teachers.csv: one row per person, at the home school. Clever takes only the first row
-- of an identifier, so a person at several schools has one row.
SELECT
    users_dcid,
    CAST(users_dcid AS VARCHAR) AS teacher_id,
    CAST(homeschoolid AS VARCHAR) AS school_id,
    teachernumber, sif_stateprid, first_name, middle_name, last_name, email, title,
    username,
    CASE WHEN is_account THEN 'clever_sftp.bad_name'
        WHEN first_name IS NULL OR last_name IS NULL THEN 'clever_sftp.missing_required'
        WHEN $deliver_schools AND homeschoolid NOT IN (
            SELECT school_number FROM raw.powerschool.schools) THEN 'clever_sftp.orphan'
    END AS problem
FROM staff_people
QUALIFY row_number() OVER (PARTITION BY users_dcid ORDER BY schoolid) = 1
