-- orgs.csv. Texts are at most 255 characters in Unicode NFC without blanks around them.
SELECT
  o.* EXCLUDE (name, sis_id),
  nullif(regexp_replace(
    left(nfc_normalize(COLUMNS(['name', 'sis_id'])), 255),
    '^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
  ), ''),
  k.sourced_id,
  k.parent,
  o.updated_at AS modified_at
FROM roster.orgs o
JOIN checked_orgs k ON k.id = o.id
WHERE k.is_in
