-- academicSessions.csv. The school year is the roster's, else that of the last day.
SELECT
  t.* EXCLUDE (name),
  nullif(regexp_replace(
    left(nfc_normalize(COLUMNS(['name'])), 255), '^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
  ), ''),
  k.sourced_id,
  k.parent,
  coalesce(
    t.school_year,
    year(t.end_date - 1) + CASE WHEN month(t.end_date - 1) >= 7 THEN 1 ELSE 0 END
  ) AS ends_in,
  t.updated_at AS modified_at
FROM roster.terms t
JOIN checked_terms k ON k.id = t.id
WHERE k.is_in
