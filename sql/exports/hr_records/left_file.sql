-- People of the last verified delivery who are not in the file now, with the reason.
SELECT
  'left_file' AS code,
  l.key,
  coalesce(o.code, 'not in the extract') AS detail
FROM ledger l
LEFT JOIN outcome o ON o.key = l.key
WHERE l.record_type = 'staff' AND l.in_last_delivery
  AND l.key NOT IN (SELECT _key FROM staff_data)

UNION ALL
SELECT 'email_blanked', l.key, ''
FROM ledger l
JOIN raw.powerschool.staff_without_email b ON CAST(b.users_dcid AS VARCHAR) = l.key
WHERE l.record_type = 'staff' AND l.in_last_delivery
  AND l.key NOT IN (SELECT _key FROM staff_data)
