-- Findings: identifiers that no OneRoster set may hold; the set is then not sent.
WITH identifiers AS (
  SELECT 'orgs' AS file, sourced_id FROM checked_orgs WHERE is_in
  UNION ALL
  SELECT 'academicSessions', sourced_id FROM checked_terms WHERE is_in
  UNION ALL
  SELECT 'courses', sourced_id FROM checked_courses WHERE is_in
  UNION ALL
  SELECT 'classes', sourced_id FROM checked_classes WHERE is_in
  UNION ALL
  SELECT 'users', sourced_id FROM checked_users WHERE is_in
  UNION ALL
  SELECT 'enrollments', sourced_id FROM checked_enrollments WHERE lacks IS NULL
)

SELECT 'write.bad_guid' AS code, file || '/' || sourced_id AS key, '' AS detail
FROM identifiers
WHERE NOT regexp_full_match(sourced_id, '[0-9A-Za-z._/@-]{1,255}')
