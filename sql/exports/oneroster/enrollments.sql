-- enrollments.csv. Only teachers are primary or not; of students it is blank.
SELECT
  e.sourced_id,
  e.class,
  e.school,
  e.person,
  e.kind,
  e.word,
  CASE WHEN p.id IS NOT NULL THEN false ELSE e.is_primary END AS is_primary,
  e.begin_date,
  e.end_date,
  e.updated_at AS modified_at
FROM checked_enrollments e
LEFT JOIN lost_enrollments l ON l.id = e.id
LEFT JOIN later_primaries p ON p.id = e.id
WHERE l.id IS NULL
