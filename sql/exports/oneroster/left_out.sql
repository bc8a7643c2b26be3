-- Findings: what the options choose and the set leaves out, with what it lacks.
WITH lost AS (
  SELECT 'orgs' AS file, sourced_id, lacks FROM checked_orgs WHERE is_chosen
  UNION ALL
  SELECT 'academicSessions', sourced_id, lacks FROM checked_terms WHERE is_chosen
  UNION ALL
  SELECT 'courses', sourced_id, lacks FROM checked_courses WHERE is_chosen
  UNION ALL
  SELECT 'classes', sourced_id, lacks FROM checked_classes WHERE is_chosen
  UNION ALL
  SELECT 'users', sourced_id, lacks FROM checked_users WHERE is_chosen
  UNION ALL
  -- Single roles of users that are in the set. That a role has ended is no fault.
  SELECT
    'users', u.sourced_id, CASE WHEN r.has_word THEN 'roles.' ELSE '' END || r.lacks
  FROM checked_roles r
  JOIN checked_users u ON u.id = r.user_id
  WHERE r.is_chosen AND u.is_in AND NOT r.has_ended
  UNION ALL
  SELECT 'enrollments', sourced_id, lacks FROM lost_enrollments
)

SELECT
  CASE WHEN starts_with(lacks, 'role: ') THEN 'write.role_unmapped'
    ELSE 'write.left_out' END AS code,
  file || '/' || sourced_id AS key,
  lacks AS detail
FROM lost
WHERE lacks IS NOT NULL
