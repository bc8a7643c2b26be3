-- classes.csv. Extension words are for 1.2; in 1.1 such a class is a scheduled one.
SELECT
  c.* EXCLUDE (name, class_code, room, grades, subjects, subject_codes, periods),
  nullif(regexp_replace(
    left(nfc_normalize(COLUMNS(['name', 'class_code', 'room'])), 255),
    '^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
  ), ''),
  k.sourced_id,
  k.course,
  k.school,
  k.terms,
  CASE
    WHEN c.class_type IN ('homeroom', 'scheduled')
      OR $version <> '1.1' AND regexp_full_match(c.class_type, 'ext:.+') THEN c.class_type
    ELSE 'scheduled'
  END AS written_type,
  l.grades,
  l.subjects,
  l.subject_codes,
  l.periods,
  c.updated_at AS modified_at
FROM roster.classes c
JOIN checked_classes k ON k.id = c.id
JOIN written_lists l ON l.id = c.id AND l.file = 'classes'
WHERE k.is_in
