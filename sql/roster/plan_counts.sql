-- The numbers of a plan: per entity, per role group, per school.
-- Read by d118_pipelines/roster/planning/plan_counts.py; `changes.<entity>` is the plan.
-- Rule: docs/reference/matching_and_guard.md, counts.

-- name: outcomes
-- The plan's rows by what they count as. One row can count twice: a link that also
-- changes the record's values.
SELECT
    CASE action
        WHEN 'create' THEN 'created'
        WHEN 'update' THEN 'updated'
        WHEN 'reactivate' THEN 'reactivated'
        WHEN 'conflict' THEN 'conflicts'
        WHEN 'link' THEN 'linked'
        WHEN 'unlink' THEN 'unlinked'
        WHEN 'deactivate' THEN if(reason = 'missing', 'missing', 'retired')
        ELSE action
    END AS outcome,
    *
FROM changes.{{entity}}
UNION ALL
SELECT 'updated', *
FROM changes.{{entity}}
WHERE action = 'link' AND NOT keeps_fields AND row_hash IS DISTINCT FROM old_hash

-- The provider's active records: its own, or of schools and people those it reports.

-- name: active_owned
SELECT * FROM base.{{entity}} WHERE status = 'active'

-- name: active_matched
SELECT *
FROM base.{{entity}}
WHERE
    status = 'active' AND id IN (
        SELECT internal_id FROM base.links
        WHERE entity = {{'entity'}} AND active AND provider_id = {{'provider'}})

-- name: counts
-- Name of a count, role group, number.
SELECT 'fetched' AS name, {{role_group}} AS group_name, count(*) AS number
FROM {{staged}}
GROUP BY ALL
UNION ALL
SELECT 'active', {{old_group}}, count(*) FROM ({{active}}) AS b GROUP BY ALL
UNION ALL
SELECT outcome, group_name, count(*) FROM ({{outcomes}}) GROUP BY ALL
UNION ALL
SELECT 'errors', NULL, count(*) FROM {{rejected}} WHERE entity = {{'entity'}}

-- Natural keys: how a record `x` is recognised under another id.

-- name: natural_orgs
coalesce('s' || nullif(x.state_id, ''), 'n' || lower(x.name))

-- name: natural_users
coalesce(
    'n' || nullif(x.student_number, ''), 's' || nullif(x.staff_id, ''),
    'e' || nullif(lower(trim(x.email)), ''))

-- name: natural_courses
x.school_id || '|' || x.course_code

-- name: natural_classes
concat_ws('|', x.school_id, c.course_code, x.section_number,
    list_sort(list_transform(json_extract_string(x.term_ids, '$[*]'),
        lambda t: coalesce(names.of[t], t))))

-- name: classes_with_parts
-- Classes with their course `c` and the names of terms.
{{relation}} AS x
LEFT JOIN {{courses}} AS c ON c.id = x.course_id
CROSS JOIN (SELECT map(list(id), list(name)) AS of FROM {{terms}}) AS names

-- name: churned
-- Records that go while one with the same natural key comes.
(
    SELECT {{natural}} AS key
    FROM {{old}}
    WHERE x.{{key}} IN (
        SELECT {{key}} FROM changes.{{entity}} WHERE action IN ('deactivate', 'unlink'))
) WHERE key IN (
    SELECT {{natural}}
    FROM {{new}}
    WHERE x.external_id IN (
        SELECT external_id FROM changes.{{entity}} WHERE action = 'create'))

-- Active and leaving records by school and role group. Who leaves a school turns inactive
-- or is there no longer, be it by a transfer.

-- name: in_schools
CREATE OR REPLACE TABLE changes.active_there AS
SELECT b.school_id, {{old_group}} AS group_name, count(*) AS n
FROM base.{{entity}} AS b
WHERE b.status = 'active'
GROUP BY ALL;

CREATE OR REPLACE TABLE changes.leaving_there AS
SELECT b.school_id, {{old_group}} AS group_name, count(*) AS n
FROM changes.{{entity}} AS c
JOIN base.{{entity}} AS b USING (external_id)
WHERE
    c.action = 'deactivate'
    OR c.action = 'update' AND c.school_id IS DISTINCT FROM b.school_id
GROUP BY ALL

-- name: people_in_schools
-- Whoever has a role at a school counts there once.
CREATE OR REPLACE TABLE changes.people_there AS
SELECT DISTINCT u.id, u.role_group AS group_name, r.school_id
FROM ({{active}}) AS u
JOIN base.user_roles AS r ON r.user_id = u.id;

CREATE OR REPLACE TABLE changes.active_there AS
SELECT school_id, group_name, count(*) AS n FROM changes.people_there GROUP BY ALL;

CREATE OR REPLACE TABLE changes.leaving_there AS
WITH moved AS (
    SELECT id, external_id FROM changes.users WHERE list_contains(fields, 'roles')
),

kept AS (
    SELECT id, unnest(json_extract_string(roles, '$[*].school_id')) AS school_id
    FROM record.users
    WHERE external_id IN (SELECT external_id FROM moved)
)

SELECT school_id, group_name, count(*) AS n
FROM changes.people_there AS r
WHERE
    id IN (SELECT id FROM changes.users WHERE action IN ('deactivate', 'unlink'))
    OR id IN (SELECT id FROM moved) AND NOT EXISTS (
        SELECT 1 FROM kept AS k WHERE k.id = r.id AND k.school_id = r.school_id)
GROUP BY ALL

-- name: schools
-- Per school and role group. A school is named by its number, else by its external id.
WITH happened AS (
    SELECT
        school_id,
        group_name,
        count(*) FILTER (outcome = 'created') AS created,
        count(*) FILTER (outcome = 'updated') AS updated,
        count(*) FILTER (outcome = 'reactivated') AS reactivated,
        count(*) FILTER (outcome = 'retired') AS retired,
        count(*) FILTER (outcome = 'missing') AS missing,
        count(*) FILTER (outcome = 'withheld') AS withheld,
        count(*) FILTER (outcome = 'conflicts') AS conflicts
    FROM ({{outcomes}})
    GROUP BY ALL
),

places AS (
    SELECT school_id, group_name FROM changes.active_there
    UNION
    SELECT school_id, group_name FROM changes.leaving_there
    UNION
    SELECT school_id, group_name FROM happened
),

-- The schools of the roster, and those that this plan adds.
schools AS (
    SELECT id, coalesce(nullif(sis_id, ''), external_id) AS school
    FROM (
        SELECT id, sis_id, external_id FROM base.orgs
        UNION ALL
        SELECT id, sis_id, external_id FROM {{new_orgs}}
        WHERE id NOT IN (SELECT id FROM base.orgs)
    )
)

SELECT
    p.group_name,
    p.school_id,
    coalesce(s.school, p.school_id),
    coalesce(a.n, 0),
    coalesce(l.n, 0),
    coalesce(h.created, 0),
    coalesce(h.updated, 0),
    coalesce(h.reactivated, 0),
    coalesce(h.retired, 0),
    coalesce(h.missing, 0),
    coalesce(h.withheld, 0),
    coalesce(h.conflicts, 0)
FROM places AS p
LEFT JOIN changes.active_there AS a
    ON a.school_id = p.school_id AND a.group_name IS NOT DISTINCT FROM p.group_name
LEFT JOIN changes.leaving_there AS l
    ON l.school_id = p.school_id AND l.group_name IS NOT DISTINCT FROM p.group_name
LEFT JOIN happened AS h
    ON h.school_id = p.school_id AND h.group_name IS NOT DISTINCT FROM p.group_name
LEFT JOIN schools AS s ON s.id = p.school_id
WHERE p.school_id IS NOT NULL
ORDER BY p.group_name, p.school_id
