-- The hash of a plan, and its changes for people.
-- Read by d118_pipelines/roster/planning/plan.py and show.py.
-- Rule: docs/reference/matching_and_guard.md.

-- name: digests
-- SHA-256 over the sorted md5 sums of an entity's rows, in buckets that fit into memory.
-- Keys may hold any character, so their length comes before them.
SELECT sha256(array_to_string(list_sort(list(h)), ''))
FROM (
    SELECT
        md5(concat_ws('|', action, length(external_id) || ':' || external_id,
            coalesce(id, '-'), coalesce(reason, '-'), coalesce(rule, '-'),
            coalesce(row_hash, '-'), keeps_fields)) AS h
    FROM changes.{{entity}}
)
GROUP BY left(h, 3)
ORDER BY left(h, 3)

-- name: changes_of_entity
SELECT
    {{place}} AS place,
    {{'entity'}} AS entity,
    action,
    external_id AS key,
    coalesce(reason, rule, '') AS reason,
    coalesce(array_to_string(fields, ', '), '') AS fields,
    school_id
FROM read_parquet({{'file'}})

-- name: changes_shown
-- With the number of all of them beside each; who goes comes first, as in a target's plan.
SELECT entity, action, key, reason, fields, count(*) OVER () AS total
FROM ({{changes}})
WHERE $all OR list_contains($ids, school_id)
ORDER BY action <> 'deactivate', place, action, key
LIMIT $limit
