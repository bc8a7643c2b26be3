SELECT 'no_username' AS code, sourced_id AS key, '' AS detail
FROM sds_people
WHERE username IS NULL
