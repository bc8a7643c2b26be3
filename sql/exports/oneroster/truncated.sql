-- Findings: texts that were cut to the 255 characters that every receiver takes.
WITH texts AS (
  SELECT 'orgs' AS file, id, 'name' AS name, name AS value FROM roster.orgs
  UNION ALL
  SELECT 'orgs', id, 'identifier', sis_id FROM roster.orgs
  UNION ALL
  SELECT 'academicSessions', id, 'title', name FROM roster.terms
  UNION ALL
  SELECT 'courses', id, unnest(['title', 'courseCode']), unnest([name, course_code])
  FROM roster.courses
  UNION ALL
  SELECT
    'classes', id, unnest(['title', 'classCode', 'location']),
    unnest([name, class_code, room])
  FROM roster.classes
  UNION ALL
  SELECT
    'users', id,
    unnest([
      'username', 'email', 'givenName', 'middleName', 'familyName', 'preferredGivenName',
      'preferredMiddleName', 'preferredFamilyName', 'pronouns', 'identifier',
      'userMasterIdentifier', 'phone', 'sms'
    ]),
    unnest([
      username, email, first_name, middle_name, last_name, preferred_first_name,
      preferred_middle_name, preferred_last_name, pronouns, identifier,
      master_identifier, phone, sms
    ])
  FROM roster.users
),

members AS (
  SELECT 'orgs' AS file, id, sourced_id FROM checked_orgs WHERE is_in
  UNION ALL
  SELECT 'academicSessions', id, sourced_id FROM checked_terms WHERE is_in
  UNION ALL
  SELECT 'courses', id, sourced_id FROM checked_courses WHERE is_in
  UNION ALL
  SELECT 'classes', id, sourced_id FROM checked_classes WHERE is_in
  UNION ALL
  SELECT 'users', id, sourced_id FROM checked_users WHERE is_in
)

SELECT
  'write.truncated' AS code,
  t.file || '/' || m.sourced_id AS key,
  string_agg(t.name, ', ' ORDER BY t.name) AS detail
FROM texts t
JOIN members m ON m.file = t.file AND m.id = t.id
WHERE length(t.value) > 255
GROUP BY t.file, m.sourced_id
