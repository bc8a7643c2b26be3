-- Active users of the roster with the role that counts today, one row each.
WITH role_today AS (
  SELECT user_id, role, school_id
  FROM roster.user_roles
  WHERE list_contains($roles, role)
    AND coalesce(begin_date <= $today, true)
    AND coalesce(end_date > $today, true)
  QUALIFY row_number() OVER (
    PARTITION BY user_id ORDER BY coalesce(is_primary, false) DESC, position
  ) = 1
)
SELECT
  CAST(u.id AS VARCHAR) AS id,
  u.external_id,
  r.role,
  o.external_id AS site,
  nullif(trim(CASE WHEN r.role = 'student' THEN u.student_number ELSE u.staff_id END), '')
    AS barcode,
  nullif(trim(coalesce(u.preferred_last_name, u.last_name)), '') AS last_name,
  nullif(trim(coalesce(u.preferred_first_name, u.first_name)), '') AS first_name,
  u.middle_name,
  CASE WHEN r.role = 'student' THEN $student_type ELSE $staff_type END AS patron_type,
  CASE lower(left(u.gender, 1)) WHEN 'm' THEN 'M' WHEN 'f' THEN 'F' ELSE 'U' END AS gender,
  u.grade_level,
  u.graduation_year,
  u.username,
  nullif(trim(u.email), '') AS email
FROM roster.users u
JOIN role_today r ON r.user_id = u.id
LEFT JOIN roster.orgs o ON o.id = r.school_id AND o.org_type = 'school'
WHERE u.status = 'active'
