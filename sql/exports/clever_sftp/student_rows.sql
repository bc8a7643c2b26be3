-- Students as Students.csv shows them, and why a row is not in it (`problem`).
-- bad_values: columns whose value Clever does not know; they are blank.
-- Rule: docs/reference/clever_sftp.md, students.
WITH shown AS (
    SELECT
        min(s.dcid) AS dcid,
        s.id,
        CAST(s.id AS VARCHAR) AS student_id,
        CASE WHEN $state_id_as_text THEN s.state_studentnumber
            WHEN regexp_full_match(trim(s.state_studentnumber), '[0-9]+')
                THEN coalesce(nullif(ltrim(trim(s.state_studentnumber), '0'), ''), '0')
        END AS state_id,
        CASE WHEN s.student_number = floor(s.student_number)
            THEN CAST(CAST(s.student_number AS BIGINT) AS VARCHAR) END AS number,
        CAST(s.schoolid AS VARCHAR) AS school_id,
        s.city,
        strftime(s.dob, '%Y-%m-%d') AS dob,
        s.first_name, s.middle_name, s.last_name,
        CASE WHEN upper(s.gender) IN ('M', 'F', 'X') THEN s.gender END AS sex,
        CASE WHEN NOT $grade_words THEN CAST(s.grade_level AS VARCHAR)
            WHEN s.grade_level <= -3 THEN 'InfantToddler'
            WHEN s.grade_level = -2 THEN 'Preschool'
            WHEN s.grade_level = -1 THEN 'Prekindergarten'
            WHEN s.grade_level = 0 THEN 'Kindergarten'
            WHEN s.grade_level <= 13 THEN CAST(s.grade_level AS VARCHAR)
            WHEN s.grade_level = 99 THEN 'Postgraduate'
        END AS grade,
        s.state, s.street, s.zip,
        number || '@' || $student_email_domain AS student_email,
        CASE WHEN s.custom_ethnicity IN ('Y', 'N') THEN s.custom_ethnicity END
            AS hispanic_latino,
        CASE WHEN s.custom_race IN ('W', 'B', 'A', 'I', 'P', 'M') THEN s.custom_race END
            AS race,
        CASE WHEN s.custom_lep IN ('Y', 'N') THEN s.custom_lep END AS ell_status,
        CASE WHEN contains(s.lunchstatus, 'F') OR s.lunchstatus = 'T' THEN 'F'
            WHEN s.lunchstatus = 'R' THEN 'R' ELSE 'N' END AS frl_status,
        if(s.iep = 1, 'Y', 'N') AS iep_status,
        if(s.plan_504 = 1, 'Y', 'N') AS section_504_status,
        CASE WHEN s.gifted IS NULL THEN 'N' WHEN s.gifted IN ('Y', 'N') THEN s.gifted END
            AS gifted_status,
        -- As the driver's numbers print: 4.0, 3.875.
        CAST(s.simple_gpa AS VARCHAR) AS unweighted_gpa,
        CAST(s.weighted_gpa AS VARCHAR) AS weighted_gpa,
        concat_ws(', ',
            if(s.student_number IS NOT NULL AND number IS NULL, 'Student_number', NULL),
            if(trim(s.state_studentnumber) <> '' AND state_id IS NULL, 'State_id', NULL),
            if(s.gender IS NOT NULL AND sex IS NULL, 'Gender', NULL),
            if(s.grade_level IS NOT NULL AND grade IS NULL, 'Grade', NULL),
            if(s.custom_ethnicity IS NOT NULL AND hispanic_latino IS NULL,
                'Hispanic_Latino', NULL),
            if(s.custom_race IS NOT NULL AND race IS NULL, 'Race', NULL),
            if(s.custom_lep IS NOT NULL AND ell_status IS NULL, 'Ell_Status', NULL),
            if(gifted_status IS NULL, 'Gifted_status', NULL)) AS bad_values
    FROM raw.powerschool.clever_students AS s
    GROUP BY ALL
),

judged AS (
    SELECT
        *,
        CASE
            WHEN (list_contains($student_bad_names, lower(first_name))
                    OR list_contains($student_bad_names, lower(last_name)))
                AND NOT list_contains($student_name_allow, id)
                THEN 'clever_sftp.bad_name'
            WHEN id IS NULL OR school_id IS NULL OR first_name IS NULL
                OR last_name IS NULL THEN 'clever_sftp.missing_required'
            WHEN $deliver_schools AND CAST(school_id AS BIGINT) NOT IN (
                SELECT school_number FROM raw.powerschool.schools)
                THEN 'clever_sftp.orphan'
        END AS fault
    FROM shown
)

SELECT
    *,
    -- Of several rows with one identifier Clever takes the first.
    coalesce(fault, CASE WHEN row_number() OVER (
        PARTITION BY student_id, fault IS NULL ORDER BY dcid) > 1
        THEN 'clever_sftp.duplicate_id' END) AS problem
FROM judged
