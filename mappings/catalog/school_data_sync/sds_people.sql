-- Active users with a user name and a role that counts today.
SELECT
  u.id,
  u.external_id AS sourced_id,
  coalesce(nullif(trim(u.email), ''), nullif(trim(u.username), '')) AS username,
  nullif(trim(u.email), '') AS email,
  u.first_name,
  u.last_name,
  u.grade_level
FROM roster.users u
WHERE u.status = 'active'
  AND EXISTS (
    SELECT 1 FROM roster.user_roles r
    WHERE r.user_id = u.id AND list_contains($roles, r.role)
      AND coalesce(r.begin_date <= $today, true)
      AND coalesce(r.end_date > $today, true)
  )
