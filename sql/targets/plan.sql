-- What a finished set changes against the last verified delivery.
-- Read by d118_pipelines/targets/plan.py; {{before}} is the file as it was delivered.

-- name: all_new
SELECT
    {{'file'}} AS file, 'add' AS action, _key AS key, _identity AS identity,
    []::VARCHAR[] AS fields, _hash AS line_hash
FROM {{file}}

-- name: changed
-- A record is known by key and identity; {{fields}} are the names of what differs, or ''.
SELECT file, action, key, identity, fields, line_hash
FROM (
    SELECT
        {{'file'}} AS file,
        CASE
            WHEN b._key IS NULL THEN 'add'
            WHEN n._key IS NULL THEN 'remove'
            ELSE 'change'
        END AS action,
        coalesce(n._key, b._key) AS key,
        coalesce(n._identity, b._identity) AS identity,
        CASE
            WHEN action = 'change' THEN list_filter([{{fields}}], lambda f: f <> '')
            ELSE []
        END AS fields,
        coalesce(n._hash, '') AS line_hash
    FROM {{file}} AS n
    FULL JOIN {{before}} AS b ON n._key = b._key AND n._identity = b._identity
    WHERE {{may_differ}})
WHERE action <> 'change' OR len(fields) > 0

-- name: difference
-- The column's name where its value changed.
if(coalesce(n.{{column}}, '') IS DISTINCT FROM coalesce({{was}}, ''), {{'header'}}, '')

-- name: actions
SELECT action, count(*) FROM changes WHERE file = {{'file'}} GROUP BY action

-- name: changed_fields
SELECT unnest(fields) AS field, count(*)
FROM changes
WHERE file = {{'file'}}
GROUP BY field
ORDER BY field

-- name: commands
SELECT {{command}} AS c, count(*) FROM {{file}} GROUP BY c ORDER BY c

-- name: deactivated
SELECT count(*)
FROM {{before}} AS b
LEFT JOIN {{file}} AS n ON n._key = b._key AND n._identity = b._identity
WHERE {{turned}}

-- name: sums
-- Number of changes and the sums of the halves of their md5: independent of row order.
SELECT
    count(*), sum((md5 >> 64)::HUGEINT),
    sum((md5 & 18446744073709551615::UHUGEINT)::HUGEINT)
FROM (
    SELECT md5_number(to_json([file, action, key, identity, line_hash])::VARCHAR) AS md5
    FROM changes)

-- name: of_school
-- The changes of one file with the school of each; read by show.py.
SELECT c.file, c.action, r._school AS school
FROM read_parquet($plan) AS c
INNER JOIN read_parquet({{'kept'}}) AS r
    ON c.key = r._key AND c.identity = r._identity
WHERE c.file = {{'file'}} AND c.action {{what}}

-- name: schools
SELECT
    school, file,
    count_if(action = 'add'), count_if(action = 'change'), count_if(action = 'remove')
FROM ({{parts}})
GROUP BY school, file
ORDER BY sum(count(*)) OVER (PARTITION BY school) DESC, school, count(*) DESC, file
