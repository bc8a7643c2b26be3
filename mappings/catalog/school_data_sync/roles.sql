-- One row for each role of a user at a school that counts today, in Microsoft's words.
SELECT DISTINCT
  p.sourced_id AS user_id,
  o.external_id AS org_id,
  CASE r.role WHEN 'administrator' THEN 'administrator' WHEN 'teacher' THEN 'teacher'
    WHEN 'student' THEN 'student' ELSE 'staff' END AS role,
  CASE WHEN r.role = 'student' THEN lower(p.grade_level) END AS grade
FROM roster.user_roles r
JOIN sds_people p ON p.id = r.user_id AND p.username IS NOT NULL
JOIN roster.orgs o ON o.id = r.school_id
WHERE list_contains($roles, r.role)
  AND coalesce(r.begin_date <= $today, true)
  AND coalesce(r.end_date > $today, true)
