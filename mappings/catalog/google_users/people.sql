-- Active users of the roster with the role that counts today, one row each.
WITH role_today AS (
  SELECT user_id, role
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
  nullif(trim(coalesce(u.preferred_first_name, u.first_name)), '') AS first_name,
  nullif(trim(coalesce(u.preferred_last_name, u.last_name)), '') AS last_name,
  nullif(trim(u.email), '') AS email,
  coalesce(u.student_number, u.staff_id) AS employee_id,
  CASE WHEN r.role = 'student'
    THEN $student_path || coalesce('/' || u.graduation_year, '')
    ELSE $staff_path END AS path
FROM roster.users u
JOIN role_today r ON r.user_id = u.id
WHERE u.status = 'active'
