-- Staff with an e-mail address who are current (STATUS 1) at a school: one row per person
-- and school, those at home in an excluded building aside.
-- Rule: docs/reference/clever_sftp.md, teachers.
SELECT DISTINCT
    users_dcid, schoolid, coalesce(staffstatus, 0) AS staffstatus, homeschoolid,
    teachernumber, sif_stateprid, first_name, middle_name, last_name, title,
    lower(email_addr) AS email, teacherloginid AS username,
    (list_contains($teacher_bad_names, upper(first_name))
        OR list_contains($teacher_bad_names, upper(last_name)))
    AND NOT list_contains($teacher_name_allow, users_dcid) AS is_account
FROM raw.powerschool.staff
WHERE homeschoolid IS NOT NULL
    AND NOT list_contains($teacher_buildings_excluded, homeschoolid)
