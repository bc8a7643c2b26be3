-- The reverse of what a run did to one entity.
-- Read by d118_pipelines/roster/store/undo_records.py; all but the statements marked "in
-- the session" run on SQLite and PostgreSQL alike. :undone is the run that is put back.
-- Rule: docs/reference/roster_database.md.

-- name: history
-- What the run did to records that were there, and the records that it made.
SELECT
    h.record_id, h.external_id, h.action, h.fields, {{old_status}} AS old_status,
    {{old_reason}} AS old_reason, {{old_hash}} AS old_hash, t.row_hash, t.last_changed_run
FROM roster_history AS h
JOIN {{entity}} AS t ON t.id = h.record_id
WHERE
    h.district_id = :district AND h.provider_id = :provider AND h.run_id = :undone
    AND h.entity = :entity
UNION ALL
SELECT id, external_id, 'create', '[]', NULL, NULL, NULL, row_hash, last_changed_run
FROM {{entity}}
WHERE
    district_id = :district AND provider_id = :provider AND created_by_run = :undone

-- name: reverse
-- In the session: the opposite of each change, and why it cannot be put back (`finding`).
-- A record that somebody else reports as active stays active; only the link goes.
CREATE OR REPLACE TABLE undo.{{entity}} AS
SELECT
    h.*,
    CASE
        WHEN action = 'create' OR action = 'reactivate' AND old_status <> 'active'
            THEN if(is_elsewhere, 'unlink', 'deactivate')
        WHEN action = 'deactivate' THEN 'reactivate'
        WHEN action IN ('update', 'link', 'reactivate') AND old_hash IS NOT NULL
            THEN 'update'
        WHEN action = 'unlink' THEN 'link'
        ELSE 'unlink'
    END AS reverse,
    old_hash IS NOT NULL AND NOT (action = 'reactivate' AND is_elsewhere) AS writes,
    CASE
        WHEN old_status IS NULL
            AND (action IN ('update', 'deactivate', 'reactivate') OR fields <> '[]')
            THEN 'undo.values_erased'
        WHEN (old_status IS NOT NULL OR action = 'create') AND last_run <> {{'undone'}}
            THEN 'undo.changed_since'
    END AS finding
FROM (
    SELECT
        *,
        id IN (
            SELECT internal_id FROM base.links
            WHERE entity = {{'entity'}} AND provider_id <> {{'provider'}} AND active)
            AS is_elsewhere
    FROM undo.history
) AS h

-- name: plan
-- In the session: the reverse as the plan of one entity.
SELECT
    reverse AS action,
    u.external_id,
    u.id,
    CASE reverse WHEN 'deactivate' THEN coalesce(old_reason, 'undone') END AS reason,
    'undo' AS rule,
    json_extract_string(fields, '$[*]') AS fields,
    u.old_hash AS row_hash,
    u.row_hash AS old_hash,
    v.school AS school_id,
    v.group_name,
    NOT writes AS keeps_fields
FROM undo.{{entity}} AS u
LEFT JOIN (
    SELECT id, {{school}} AS school, {{role_group}} AS group_name
    FROM base_values.{{entity}}
) AS v USING (id)
WHERE finding IS NULL

-- name: plan_rows
-- In the session.
SELECT
    id, external_id, action, reason, rule, CAST(to_json(fields) AS VARCHAR) AS fields,
    NOT keeps_fields AS writes
FROM {{changes}}

-- name: old_values
-- The values before the run, as records to be written.
INSERT INTO incoming (id, {{columns}}, action)
SELECT h.record_id, {{values}}, 'write'
FROM roster_history AS h {{unpacked}}
WHERE
    h.district_id = :district AND h.provider_id = :provider AND h.run_id = :undone
    AND h.entity = :entity AND h.before IS NOT NULL
    AND EXISTS (
        SELECT 1 FROM plan_rows AS p
        WHERE p.id = h.record_id AND p.external_id = h.external_id AND p.writes)

-- Links are as they were; one that the run made goes, unless it made the record.

-- name: drop_links
DELETE FROM external_ids AS x
WHERE
    x.district_id = :district AND x.provider_id = :provider AND x.entity = :entity
    AND EXISTS (
        SELECT 1 FROM plan_rows AS p
        WHERE p.id = x.internal_id AND p.external_id = x.external_id)
    AND EXISTS (
        SELECT 1 FROM roster_history AS h
        WHERE
            h.district_id = :district AND h.provider_id = :provider
            AND h.run_id = :undone AND h.entity = :entity
            AND h.external_id = x.external_id AND h.record_id = x.internal_id
            AND h.link_before IS NULL)

-- name: set_links
UPDATE external_ids AS x
SET active = coalesce((
    SELECT h.link_before FROM roster_history AS h
    WHERE
        h.district_id = :district AND h.provider_id = :provider AND h.run_id = :undone
        AND h.entity = :entity AND h.external_id = x.external_id
        AND h.record_id = x.internal_id), FALSE)
WHERE
    x.district_id = :district AND x.provider_id = :provider AND x.entity = :entity
    AND EXISTS (
        SELECT 1 FROM plan_rows AS p
        WHERE p.id = x.internal_id AND p.external_id = x.external_id)
