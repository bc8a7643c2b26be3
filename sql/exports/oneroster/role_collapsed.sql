-- Findings: users of a 1.1 set who hold roles of several words, of which one is written.
WITH several AS (
  SELECT sourced_id, word, row_number() OVER (ORDER BY sourced_id) AS place
  FROM checked_users
  WHERE is_in AND $version = '1.1' AND words > 1
)

SELECT
  'write.role_collapsed' AS code,
  'users/' || sourced_id AS key,
  'written as ' || word AS detail
FROM several
WHERE place <= 1000
UNION ALL
SELECT 'write.role_collapsed', 'users', CAST(count(*) AS VARCHAR) || ' more'
FROM several
WHERE place > 1000
HAVING count(*) > 0
