-- Everybody that HR Records is about, with every value as the files show it.
-- One row per person with an e-mail; the rules in mappings/targets/hr_records.yaml then
-- say who is exported. Source of each value: docs/reference/hr_records.md.
SELECT
  users_dcid,
  CASE WHEN $email_case = 'lower' THEN lower(email_addr) ELSE email_addr END AS email,
  regexp_full_match(email_addr, '\s*') AS has_blank_email,
  lower(trim(email_addr)) AS email_compared,
  first_name,
  last_name,
  homeschoolid,
  home_row_schoolid,
  status AS home_status,
  active_elsewhere,
  CASE WHEN NOT regexp_full_match(teachernumber, '\s*') THEN teachernumber END AS employee_id,
  coalesce(legal_first_name, first_name) AS shown_first_name,
  coalesce(legal_last_name, last_name) AS shown_last_name,
  home_phone,
  dob,
  gender,
  personal_email,
  middle_name,
  street,
  city,
  state,
  zip,
  CASE WHEN $active_rule = 'any' AND active_elsewhere = 1 THEN 1
       ELSE nullif(status, 0) END AS shown_status,
  CASE WHEN shown_status = 1 THEN 'False' ELSE 'True' END AS deactivated,
  CASE staffstatus WHEN 1 THEN 'Teacher' WHEN 3 THEN 'Lunch Staff'
                   WHEN 4 THEN 'Substitute' ELSE 'Staff' END AS job_type
FROM raw.powerschool.hr_records_staff
