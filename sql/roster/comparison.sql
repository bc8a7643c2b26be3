-- What happens to each record of one entity: staged rows against the baseline.
-- Read by d118_pipelines/roster/planning/comparison.py. `record.<entity>` are the staged
-- rows in the roster's columns, `base.<entity>` what the database holds. Every statement
-- works on whole sets; unchanged rows leave no trace but their number.
-- Rule: docs/reference/matching_and_guard.md.

-- name: never_stored
-- Records that no reference may point at: inactive at the source and unknown here, so
-- that none is made (`is_off`); and classes that are in conflict and not in the roster.
INSERT INTO changes.never_stored
SELECT {{'entity'}}, r.id, true
FROM record.{{entity}} AS r
WHERE
    r.external_id IN (SELECT external_id FROM {{staged}} WHERE status <> 'active')
    AND r.id NOT IN (SELECT id FROM base.{{entity}});

INSERT INTO changes.never_stored
SELECT {{'entity'}}, id, false
FROM changes.{{entity}}
WHERE {{'entity'}} = 'classes' AND action = 'conflict' AND old_hash IS NULL

-- The name of a required reference that leads nowhere, else null.

-- name: unresolved_classes
CASE WHEN school_id IS NULL THEN 'school_external_id' END

-- name: unresolved_demographics
CASE
    WHEN external_id IN (
        SELECT external_id FROM match.found
        WHERE entity = 'users' AND internal_id IS NULL)
        THEN 'external_id'
END

-- name: unresolved_enrollments
CASE
    WHEN user_id IS NULL THEN 'user_external_id'
    WHEN class_id IN (SELECT id FROM changes.never_stored WHERE entity = 'classes')
        THEN 'class_external_id'
END

-- name: idle_enrollments
-- Of a person or class that is inactive and was never here: there is nothing to do.
user_id IN (SELECT id FROM changes.never_stored WHERE entity = 'users')
OR class_id IN (SELECT id FROM changes.never_stored WHERE entity = 'classes' AND is_off)

-- What becomes of a record that is active, known and not sent. One whose row was sent
-- and rejected is there: nothing happens to it.

-- name: missing
CASE
    WHEN external_id NOT IN (
        SELECT external_id FROM {{rejected}}
        WHERE entity = {{'entity'}} AND external_id IS NOT NULL)
        THEN {{action}}
END

-- name: second_time
CASE
    WHEN external_id IN (
        SELECT external_id FROM base.absent_once WHERE entity = {{'entity'}})
        THEN 'deactivate'
    ELSE 'absent_once'
END

-- name: all_new
-- The plan of an entity of which the provider has nothing yet: every id and hash is made
-- once, and carried through no join.
SELECT
    if(lost IS NULL, 'create', 'conflict') AS action,
    external_id,
    id,
    CASE WHEN lost IS NOT NULL THEN 'UNRESOLVED_REFERENCE' END AS reason,
    coalesce(lost, 'created') AS rule,
    CAST([] AS VARCHAR[]) AS fields,
    row_hash,
    NULL::VARCHAR AS old_hash,
    school AS school_id,
    group_name,
    false AS keeps_fields
FROM (
    SELECT
        id, external_id, row_hash, {{school}} AS school, {{role_group}} AS group_name,
        {{unresolved}} AS lost
    FROM record.{{entity}}
    WHERE status = 'active' AND ({{idle}}) IS NOT true
)

-- name: owned_keys
-- Records that belong to this provider alone, joined by its id. Narrow rows only: the md5
-- texts are compared by a number of 64 bits, which a join carries cheaply.
CREATE OR REPLACE TABLE changes.keys AS
SELECT *
FROM (
    SELECT
        external_id,
        NULL::VARCHAR AS id,
        CASE
            WHEN is_on THEN CASE
                WHEN unresolved IS NOT NULL THEN 'conflict'
                WHEN old_status IS NULL THEN 'create'
                WHEN old_status IN ('inactive', 'deleted') THEN 'reactivate'
                WHEN hash IS DISTINCT FROM old_hash THEN 'update'
            END
            WHEN old_status <> 'active' OR old_status IS NULL THEN NULL
            WHEN is_on IS NOT NULL THEN {{'retired'}}
            ELSE {{missing}}
        END AS action,
        CASE
            WHEN is_on AND unresolved IS NOT NULL THEN 'UNRESOLVED_REFERENCE'
            WHEN is_on THEN NULL
            WHEN is_on IS NULL THEN 'missing'
            ELSE inactive_reason
        END AS reason,
        CASE
            WHEN is_on AND unresolved IS NOT NULL THEN unresolved
            WHEN is_on AND old_status IS NULL THEN 'created'
            ELSE 'external_id'
        END AS rule,
        false AS keeps_fields
    FROM (
        SELECT
            external_id, hash(row_hash) AS hash, status = 'active' AS is_on,
            inactive_reason, {{unresolved}} AS unresolved
        FROM record.{{entity}}
        WHERE ({{idle}}) IS NOT true
    ) AS r
    FULL JOIN (
        SELECT external_id, hash(row_hash) AS old_hash, status AS old_status
        FROM base.{{entity}}
    ) AS b USING (external_id)
)
WHERE action IS NOT NULL

-- name: matched_keys
-- Schools and people: several providers may report one record, one owns it.
CREATE OR REPLACE TABLE changes.keys AS
WITH own AS (
    SELECT external_id, internal_id, active
    FROM base.links
    WHERE entity = {{'entity'}} AND provider_id = {{'provider'}}
),

priorities AS (
    SELECT provider_id, min(priority) AS priority FROM base.priorities GROUP BY ALL
),

mine AS (
    SELECT min(priority) AS own FROM priorities WHERE provider_id = {{'provider'}}
),

others AS (
    SELECT internal_id, min(p.priority) AS priority
    FROM base.links AS l
    JOIN priorities AS p USING (provider_id)
    WHERE entity = {{'entity'}} AND l.provider_id <> {{'provider'}} AND active
    GROUP BY ALL
),

here AS (
    SELECT
        r.*,
        m.rule,
        m.conflict,
        l.active AS was_linked,
        b.id AS old_id,
        b.status AS old_status,
        o.internal_id IS NOT NULL AS is_elsewhere,
        -- The values of a provider that comes before this one stay.
        o.priority IS NOT NULL AND (
            mine.own IS NULL OR o.priority < mine.own
            OR o.priority = mine.own AND b.provider_id <> {{'provider'}}) AS keeps_fields,
        r.row_hash IS DISTINCT FROM b.row_hash OR b.provider_id <> {{'provider'}}
            OR b.external_id <> r.external_id AS is_changed
    FROM (
        SELECT id, external_id, status, inactive_reason, row_hash FROM record.{{entity}}
    ) AS r
    JOIN match.found AS m
        ON m.entity = {{'entity'}} AND m.external_id = r.external_id
    LEFT JOIN own AS l ON l.external_id = r.external_id AND l.internal_id = r.id
    LEFT JOIN base.{{entity}} AS b ON b.id = r.id
    LEFT JOIN others AS o ON o.internal_id = r.id
    CROSS JOIN mine
),

gone AS (
    SELECT
        l.external_id,
        l.internal_id AS id,
        o.internal_id IS NOT NULL
        OR l.internal_id IN (SELECT id FROM here WHERE id IS NOT NULL) AS is_elsewhere
    FROM own AS l
    JOIN base.{{entity}} AS b ON b.id = l.internal_id
    LEFT JOIN others AS o ON o.internal_id = l.internal_id
    WHERE
        l.active AND b.status = 'active'
        AND l.external_id NOT IN (SELECT external_id FROM here)
)

SELECT external_id, id, action, reason, rule, keeps_fields
FROM (
    SELECT
        external_id,
        id,
        CASE
            WHEN status = 'active' THEN CASE
                WHEN conflict IS NOT NULL THEN 'conflict'
                WHEN old_id IS NULL THEN 'create'
                WHEN old_status IN ('inactive', 'deleted') THEN 'reactivate'
                WHEN was_linked IS NOT TRUE THEN 'link'
                WHEN is_changed AND NOT keeps_fields THEN 'update'
            END
            WHEN was_linked AND old_status = 'active'
                THEN CASE WHEN is_elsewhere THEN 'unlink' ELSE {{'retired'}} END
        END AS action,
        CASE WHEN status <> 'active' THEN inactive_reason ELSE conflict END AS reason,
        rule,
        keeps_fields AND status = 'active' AND conflict IS NULL AS keeps_fields
    FROM here
    UNION ALL
    SELECT
        external_id,
        id,
        CASE WHEN action = 'deactivate' AND is_elsewhere THEN 'unlink' ELSE action END,
        'missing',
        'external_id',
        false
    FROM (SELECT *, {{missing}} AS action FROM gone)
)
WHERE action IS NOT NULL

-- name: compared
-- The records whose values are compared.
CREATE OR REPLACE TABLE changes.compared AS
SELECT k.external_id, b.id
FROM changes.keys AS k
LEFT JOIN base.{{entity}} AS b ON b.{{key}} = k.{{key}}
WHERE
    k.action IN ('update', 'reactivate', 'link') AND NOT k.keeps_fields
    AND b.id IS NOT NULL

-- name: no_fields
CREATE OR REPLACE TABLE changes.fields (external_id VARCHAR, f VARCHAR[])

-- name: fields
-- The names of the columns that differ.
CREATE OR REPLACE TABLE changes.fields AS
SELECT c.external_id, list_filter([{{differences}}], lambda x: x IS NOT NULL) AS f
FROM changes.compared AS c
JOIN ({{records}}) AS r USING (external_id)
JOIN base_values.{{entity}} AS v ON v.id = c.id

-- name: rows
-- The stored plan, as the columns of its Parquet file.
SELECT
    k.action,
    k.external_id,
    coalesce(k.id, b.id, r.id) AS id,
    k.reason,
    k.rule,
    -- A record of schools or people that was another provider's becomes this one's.
    CASE
        WHEN {{is_matched}} AND k.action = 'update' AND len(coalesce(f.f, [])) = 0
            THEN ['provider_id']
        ELSE coalesce(f.f, [])
    END AS fields,
    r.row_hash,
    b.row_hash AS old_hash,
    CASE
        WHEN k.action IN ('deactivate', 'unlink', 'absent_once', 'withheld')
            THEN {{old_school}}
        ELSE r.school
    END AS school_id,
    coalesce(r.group_name, {{old_group}}) AS group_name,
    k.keeps_fields
FROM changes.keys AS k
LEFT JOIN (
    SELECT id, external_id, row_hash, {{school}} AS school, {{role_group}} AS group_name
    FROM ({{records}})
) AS r USING (external_id)
LEFT JOIN base.{{entity}} AS b ON b.{{key}} = k.{{key}}
LEFT JOIN changes.fields AS f USING (external_id)
