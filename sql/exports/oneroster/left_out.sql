-- Findings: what the options choose and the set leaves out, with what it lacks; of each
-- file and code the first 1,000 and the number of the others.
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
  WHERE r.is_chosen AND u.is_in AND r.lacks <> 'endDate: the role has ended'
  UNION ALL
  SELECT 'enrollments', sourced_id, lacks FROM lost_enrollments
),

numbered AS (
  SELECT
    file,
    sourced_id,
    lacks,
    CASE WHEN starts_with(lacks, 'role: ') THEN 'write.role_unmapped'
      ELSE 'write.left_out' END AS code,
    row_number() OVER (PARTITION BY file, code ORDER BY sourced_id, lacks) AS place
  FROM lost
  WHERE lacks IS NOT NULL
)

SELECT code, file || '/' || sourced_id AS key, lacks AS detail
FROM numbered
WHERE place <= 1000
UNION ALL
SELECT code, file, CAST(count(*) AS VARCHAR) || ' more'
FROM numbered
WHERE place > 1000
GROUP BY file, code
