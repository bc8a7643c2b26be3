-- courses.csv.
SELECT
  c.* EXCLUDE (name, course_code, grades, subjects, subject_codes),
  nullif(regexp_replace(
    left(nfc_normalize(COLUMNS(['name', 'course_code'])), 255),
    '^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
  ), ''),
  k.sourced_id,
  k.org,
  k.school_year,
  l.grades,
  l.subjects,
  l.subject_codes,
  c.updated_at AS modified_at
FROM roster.courses c
JOIN checked_courses k ON k.id = c.id
JOIN written_lists l ON l.id = c.id AND l.file = 'courses'
WHERE k.is_in
