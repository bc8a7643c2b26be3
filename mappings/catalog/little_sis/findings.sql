SELECT DISTINCT 'no_email' AS code, s.external_id AS key, '' AS detail
FROM roster.enrollments e
JOIN roster.users s ON s.id = e.user_id AND s.status = 'active'
WHERE e.role = 'student' AND nullif(trim(s.email), '') IS NULL
  AND coalesce(e.begin_date <= $today, true) AND coalesce(e.end_date > $today, true)
