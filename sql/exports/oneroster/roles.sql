-- roles.csv of 1.2. The roster has no ids for roles: the identifier is made from user, org
-- and word, and stays as long as these do.
SELECT
  'r-' || left(sha256(concat_ws(chr(10), k.sourced_id, w.org, w.word)), 32) AS sourced_id,
  k.sourced_id AS user_sourced_id,
  CASE WHEN w.is_primary THEN 'primary' ELSE 'secondary' END AS role_type,
  w.word,
  w.begin_date,
  w.end_date,
  w.org,
  CASE
    WHEN w.word IN ('student', 'teacher') THEN w.word
    WHEN w.word IN ('parent', 'guardian', 'relative') THEN 'contact'
    ELSE 'staff'
  END AS kind,
  k.updated_at AS modified_at
FROM written_roles w
JOIN checked_users k ON k.id = w.user_id
WHERE k.is_in
