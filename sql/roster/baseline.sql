-- What the roster database holds, beside the columns of the entities.
-- Read by d118_pipelines/roster/planning/baseline.py; the statements with :district run
-- in the state database, on SQLite and PostgreSQL, the others in the session.
-- Rule: docs/reference/roster_database.md.

-- name: links
SELECT provider_id, entity, external_id, internal_id, active, rule
FROM external_ids
WHERE district_id = :district

-- name: absent_once
-- Records of whole entities that were not sent the last time, and not before.
SELECT entity, external_id
FROM absent_once
WHERE district_id = :district AND provider_id = :provider

-- name: resolutions
-- What a person has decided about conflicts.
SELECT entity, external_id, state, record_id
FROM identity_conflicts
WHERE
    district_id = :district AND provider_id = :provider
    AND state NOT IN ('OPEN', 'INVESTIGATING')

-- name: priorities
SELECT id, priority FROM sis_providers WHERE tenant_id = :district

-- name: spread_roles
-- `base.user_roles`, and the role group in place of the roles.
CREATE OR REPLACE TABLE base.user_roles AS
SELECT id AS user_id, x.school_id, x.role
FROM (
    SELECT
        id,
        unnest(from_json(roles, '[{"school_id": "VARCHAR", "role": "VARCHAR"}]')) AS x
    FROM base.users
);

CREATE OR REPLACE TABLE base.users AS
SELECT * EXCLUDE (roles), {{role_group}} AS role_group FROM base.users

-- Values that other entities gave, by the provider's keys.

-- name: kept_classes
SELECT c.external_id, x.external_id AS primary_teacher_external_id
FROM classes AS c
JOIN external_ids AS x
    ON x.internal_id = c.primary_teacher_id AND x.entity = 'users'
    AND x.provider_id = :provider AND x.district_id = c.district_id
WHERE c.district_id = :district AND c.provider_id = :provider

-- name: kept_users
SELECT x.external_id, u.birth_date, u.gender
FROM users AS u
JOIN external_ids AS x
    ON x.internal_id = u.id AND x.entity = 'users'
    AND x.provider_id = :provider AND x.district_id = u.district_id
WHERE
    u.district_id = :district
    AND (u.birth_date IS NOT NULL OR u.gender IS NOT NULL)

-- Whether there are any: one look at the table, without a join.

-- name: has_kept_classes
SELECT EXISTS (
    SELECT 1 FROM classes
    WHERE
        district_id = :district AND provider_id = :provider
        AND primary_teacher_id IS NOT NULL)

-- name: has_kept_users
-- People are those of the whole district.
SELECT EXISTS (
    SELECT 1 FROM users
    WHERE
        district_id = :district
        AND (birth_date IS NOT NULL OR gender IS NOT NULL))
