-- Findings: users of a 1.1 set who hold roles of several words, of which one is written.
SELECT
  'write.role_collapsed' AS code,
  'users/' || sourced_id AS key,
  'written as ' || word AS detail
FROM checked_users
WHERE is_in AND $version = '1.1' AND words > 1
