-- Users who have an account at the service provider: one row each, live, with a role
-- that counts today. Users whose access is switched off are not among them, so they are
-- deactivated there. Columns are named as mappings/targets/scim.yaml takes them.
WITH role_today AS (
  SELECT user_id, school_id, role
  FROM roster.user_roles
  WHERE list_contains($roles, role)
    AND coalesce(begin_date <= $today, true)
    AND coalesce(end_date > $today, true)
  QUALIFY row_number() OVER (
    PARTITION BY user_id ORDER BY coalesce(is_primary, false) DESC, position
  ) = 1
), district AS (
  SELECT any_value(name ORDER BY external_id) AS name
  FROM roster.orgs
  WHERE org_type = 'district'
)
SELECT
  u.id,
  u.external_id,
  coalesce(nullif(trim(u.username), ''), nullif(trim(u.email), '')) AS chosen_name,
  coalesce(chosen_name, u.external_id) AS user_name,
  u.first_name,
  u.last_name,
  concat_ws(
    ' ',
    coalesce(u.preferred_first_name, u.first_name),
    coalesce(u.preferred_last_name, u.last_name)
  ) AS display_name,
  nullif(trim(u.email), '') AS email,
  u.title,
  r.role,
  coalesce(u.staff_id, u.student_number) AS employee_number,
  d.name AS organization,
  s.name AS department
FROM roster.users u
JOIN role_today r ON r.user_id = u.id
CROSS JOIN district d
LEFT JOIN roster.orgs s ON s.id = coalesce(u.primary_school_id, r.school_id)
WHERE u.status = 'active'
