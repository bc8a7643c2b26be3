-- From a plan into the roster database: records, links, absences, conflicts.
-- Read by d118_pipelines/roster/store/. All but the statements marked "in the session" run
-- on SQLite and PostgreSQL alike, in one transaction, with :district, :provider, :run and
-- :now bound. {{now}} is :now with its type, {{id}} the type of internal ids.
-- Two temporary tables hold an entity's changes: `plan_rows`, the rows of its plan, and
-- `incoming`, the values of the records to be written.
-- Rule: docs/reference/roster_database.md.

-- name: make_plan_rows
CREATE TEMPORARY TABLE plan_rows (
    id {{id}}, external_id TEXT, action TEXT, reason TEXT, rule TEXT, fields TEXT,
    writes BOOLEAN
)

-- name: make_incoming
CREATE TEMPORARY TABLE incoming AS
SELECT {{columns}}, metadata AS action FROM {{entity}} WHERE 1 = 0

-- name: planned
-- In the session: how many rows of a plan there are to act on, and of some kinds of them.
SELECT
    count(*) FILTER (action NOT IN ('conflict', 'withheld', 'absent_once')),
    count(*) FILTER (action = 'create'),
    count(*) FILTER ({{writes}}),
    count(*) FILTER (action = 'deactivate'),
    count(*) FILTER (action = 'conflict'),
    count(*) FILTER (action = 'absent_once')
FROM {{changes}}

-- name: plan_rows
-- In the session: the rows of a plan that change a record or a link.
SELECT
    id, external_id, action, reason, rule, CAST(to_json(fields) AS VARCHAR) AS fields,
    ({{writes}}) AS writes
FROM {{changes}}
WHERE action NOT IN ('create', 'conflict', 'withheld', 'absent_once')

-- name: incoming
-- In the session: the values of the records to be written.
SELECT
    r.id, r.external_id, r.status, r.row_hash, {{fields}},
    CASE WHEN p.action = 'create' THEN 'create' ELSE 'write' END AS action
FROM ({{records}}) AS r
JOIN (
    SELECT external_id, action
    FROM {{changes}}
    WHERE action NOT IN ('conflict', 'withheld', 'absent_once')
) AS p USING (external_id)

-- name: create_records
INSERT INTO {{entity}} (
    district_id, provider_id, created_at, updated_at, created_by_run, last_changed_run,
    {{columns}}
)
SELECT :district, :provider, {{now}}, {{now}}, :run, :run, {{columns}}
FROM incoming
WHERE action = 'create'
ORDER BY id

-- name: write_records
UPDATE {{entity}} AS t
SET {{values}}, updated_at = :now, last_changed_run = :run
FROM incoming AS c
WHERE t.id = c.id AND c.action = 'write'

-- name: reactivate_records
-- Records whose values are kept.
UPDATE {{entity}} AS t
SET
    status = 'active', inactive_reason = NULL, deactivated_at = NULL,
    deactivated_by_run = NULL, updated_at = :now, last_changed_run = :run
FROM plan_rows AS p
WHERE
    t.id = p.id AND p.action = 'reactivate' AND NOT p.writes
    AND t.status IN ('inactive', 'deleted')

-- name: deactivate_records
UPDATE {{entity}} AS t
SET
    status = 'inactive', inactive_reason = p.reason, deactivated_at = :now,
    deactivated_by_run = :run, updated_at = :now, last_changed_run = :run
FROM plan_rows AS p
WHERE
    t.id = p.id AND p.action = 'deactivate' AND NOT p.writes AND t.status = 'active'

-- name: write_history
-- What every row of the plan is about to change: all values only of records that are
-- overwritten, of others their state.
INSERT INTO roster_history (
    district_id, provider_id, run_id, at, entity, record_id, external_id, action, reason,
    fields, before, link_before
)
SELECT
    :district, :provider, :run, {{now}}, :entity, p.id, p.external_id, p.action, p.reason,
    p.fields,
    CASE
        WHEN p.writes THEN {{whole}}
        WHEN p.action IN ('deactivate', 'reactivate') THEN {{state}}
    END,
    {{was_linked}}
FROM plan_rows AS p
JOIN {{entity}} AS t ON t.id = p.id

-- name: was_linked
-- Of schools and people: whether the link was awake; null if there was none.
(
    SELECT x.active FROM external_ids AS x
    WHERE
        x.district_id = :district AND x.provider_id = :provider AND x.entity = :entity
        AND x.external_id = p.external_id
)

-- name: write_children
-- The rows below a record, from the list that it carries.
INSERT INTO {{table}} ({{owner}}, district_id, {{columns}})
SELECT DISTINCT t.id, t.district_id, {{values}}
FROM {{entity}} AS t, {{each}}
WHERE t.{{source}} IS NOT NULL AND {{wanted}}

-- name: move_revision
INSERT INTO roster_revision (district_id, revision, run_id, changed_at)
VALUES (:district, 1, :run, {{now}})
ON CONFLICT (district_id) DO UPDATE SET
    revision = roster_revision.revision + 1, run_id = excluded.run_id,
    changed_at = excluded.changed_at

-- name: link_created
-- Links of the records that the plan has made.
INSERT INTO external_ids (
    district_id, provider_id, entity, external_id, internal_id, active, rule,
    first_seen_run
)
SELECT :district, :provider, :entity, n.external_id, n.id, TRUE, 'created', :run
FROM ({{created}}) AS n
WHERE 1 = 1
ORDER BY n.external_id
ON CONFLICT (district_id, provider_id, entity, external_id) DO UPDATE SET
    internal_id = excluded.internal_id, active = TRUE, rule = excluded.rule

-- name: link_reported
-- Links of records that were there: made, or awake again.
INSERT INTO external_ids (
    district_id, provider_id, entity, external_id, internal_id, active, rule,
    first_seen_run
)
SELECT :district, :provider, :entity, n.external_id, n.id, TRUE, n.rule, :run
FROM plan_rows AS n
WHERE n.action IN ('link', 'reactivate', 'update')
ON CONFLICT (district_id, provider_id, entity, external_id) DO UPDATE SET
    internal_id = excluded.internal_id, active = TRUE,
    rule = CASE
        WHEN excluded.rule = 'external_id' THEN external_ids.rule ELSE excluded.rule
    END

-- name: link_asleep
UPDATE external_ids SET active = FALSE
WHERE
    district_id = :district AND provider_id = :provider AND entity = :entity
    AND external_id IN (
        SELECT external_id FROM plan_rows WHERE action IN ('deactivate', 'unlink'))

-- name: name_people
-- Demographics get the people that they describe: their ids are the same.
UPDATE demographics AS t SET user_id = x.internal_id
FROM external_ids AS x
WHERE
    x.district_id = :district AND x.provider_id = :provider AND x.entity = 'users'
    AND x.external_id = t.external_id
    AND t.district_id = :district AND t.provider_id = :provider {{some}}

-- name: absences
-- In the session: who is absent for the first time, and who is back or gone.
SELECT external_id, 'add' AS action FROM {{changes}} WHERE action = 'absent_once'
UNION ALL
SELECT external_id, 'drop'
FROM known_absences
WHERE
    external_id IN (SELECT external_id FROM {{present}})
    OR external_id IN (
        SELECT external_id FROM {{changes}} WHERE action IN ('deactivate', 'unlink'))

-- name: forget_absences
DELETE FROM absent_once
WHERE
    district_id = :district AND provider_id = :provider AND entity = :entity
    AND external_id IN (SELECT external_id FROM absences WHERE action = 'drop')

-- name: remember_absences
INSERT INTO absent_once (district_id, provider_id, entity, external_id, run_id)
SELECT :district, :provider, :entity, external_id, :run
FROM absences
WHERE action = 'add'
ON CONFLICT (district_id, provider_id, entity, external_id) DO NOTHING

-- name: make_cases
CREATE TEMPORARY TABLE cases (
    id TEXT, external_id TEXT, type TEXT, severity TEXT, rule TEXT, record_id {{id}}
)

-- name: cases
-- In the session: the conflicts of a plan. The id of a case is made of its evidence.
SELECT
    md5(concat({{'district'}}, chr(10), {{'provider'}}, chr(10), {{'entity'}}, chr(10),
        external_id, chr(10), reason, chr(10), rule, chr(10), coalesce(id, ''))) AS id,
    external_id,
    reason AS type,
    {{severity}} AS severity,
    rule,
    id AS record_id
FROM {{changes}}
WHERE action = 'conflict'

-- name: open_cases
INSERT INTO identity_conflicts (
    id, district_id, provider_id, entity, external_id, type, severity, state, rule,
    record_id, run_id, opened_at
)
SELECT
    id, :district, :provider, :entity, external_id, type, severity, 'OPEN', rule,
    record_id, :run, {{now}}
FROM cases
WHERE 1 = 1
ON CONFLICT (id) DO NOTHING
