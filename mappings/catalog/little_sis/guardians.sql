-- One row for each student in a class and guardian with an e-mail address.
SELECT DISTINCT
  s.external_id AS student_id,
  nullif(trim(s.email), '') AS student_email,
  g.external_id AS guardian_id,
  trim(g.email) AS guardian_email,
  g.first_name,
  g.last_name
FROM roster.user_agents a
JOIN roster.users s ON s.id = a.user_id AND s.status = 'active'
JOIN roster.users g ON g.id = a.agent_id AND g.status = 'active'
WHERE nullif(trim(g.email), '') IS NOT NULL
  AND s.external_id IN (SELECT "StudentID" FROM places)
  AND EXISTS (
    SELECT 1 FROM roster.user_roles r
    WHERE r.user_id = g.id AND list_contains($contacts, r.role)
  )
