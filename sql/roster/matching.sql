-- Who is who: the record that each staged school and person belongs to.
-- Read by d118_pipelines/roster/planning/matching.py, for all rows at once. Never a guess:
-- evidence that is ambiguous or contradicts itself is a conflict.
-- A decision is a list: internal id, rule, conflict; the first case that holds counts.
-- Rule: docs/reference/matching_and_guard.md.

-- name: prepare
CREATE SCHEMA IF NOT EXISTS match;
CREATE SCHEMA IF NOT EXISTS base;

-- How texts are compared: trimmed, null when empty; e-mails without case; names by
-- letters and digits alone, without case and accents.
CREATE OR REPLACE MACRO match.text_key(t) AS nullif(trim(t), '');
CREATE OR REPLACE MACRO match.email_key(t) AS nullif(lower(trim(t)), '');
CREATE OR REPLACE MACRO match.name_key(t) AS
    nullif(regexp_replace(lower(strip_accents(t)), '[^\p{L}\p{N}]', '', 'g'), '');

CREATE OR REPLACE TABLE match.orgs (
    external_id VARCHAR, internal_id VARCHAR, rule VARCHAR, conflict VARCHAR
);
CREATE OR REPLACE TABLE match.users AS FROM match.orgs;

CREATE OR REPLACE TABLE match.own AS
SELECT entity, external_id, internal_id
FROM base.links
WHERE provider_id = {{'provider'}};

-- What a person has resolved: one resolution per row that was in conflict.
CREATE TABLE IF NOT EXISTS base.resolutions (
    entity VARCHAR, external_id VARCHAR, resolution VARCHAR, internal_id VARCHAR
);
CREATE OR REPLACE TABLE match.resolved AS
SELECT
    entity, external_id,
    arg_min(resolution, rank) AS resolution, arg_min(internal_id, rank) AS internal_id
FROM (
    SELECT *, (resolution <> 'RESOLVED_MERGED')::INTEGER AS rank
    FROM base.resolutions
    WHERE resolution IN ('RESOLVED_MERGED', 'RESOLVED_KEPT_SEPARATE')
)
GROUP BY entity, external_id

-- name: people
-- The staged people, and the users that this provider does not know.
CREATE OR REPLACE TABLE match.people AS
SELECT
    external_id, status,
    CASE WHEN {{by_email}} THEN match.email_key(email) END AS email,
    CASE WHEN {{by_number}} THEN match.text_key(student_number) END AS student_number,
    match.name_key(last_name) AS last_name,
    ({{role_group}}) = 'students' AS is_student
FROM {{staged}};

CREATE OR REPLACE TABLE match.unlinked AS
SELECT
    id, match.email_key(email) AS email, match.text_key(student_number) AS student_number,
    match.name_key(last_name) AS last_name, role_group = 'students' AS is_student
FROM base.users
WHERE id NOT IN (SELECT internal_id FROM match.own WHERE entity = 'users');

-- One row per staged person with all evidence for one record or another.
CREATE OR REPLACE TABLE match.evidence AS
WITH by_email AS (
    SELECT email, count(*) AS users, min(id) AS id
    FROM match.unlinked
    WHERE email IS NOT NULL
    GROUP BY email
),

by_number AS (
    SELECT student_number, count(*) AS users, min(id) AS id
    FROM match.unlinked
    WHERE student_number IS NOT NULL AND is_student
    GROUP BY student_number
),

emails AS (SELECT email, count(*) AS rows FROM match.people GROUP BY email),

numbers AS (
    SELECT student_number, count(*) AS rows
    FROM match.people
    WHERE is_student
    GROUP BY student_number
)

SELECT
    p.*,
    coalesce(l.internal_id, made.id) AS linked_id,
    linked.id IS NOT NULL AS is_linked_there,
    -- Whoever was erased has no role any more.
    if(linked.status = 'deleted', p.is_student, linked.role_group = 'students')
        AS linked_is_student,
    d.resolution,
    target.id AS resolved_id,
    be.users AS email_users,
    be.id AS email_id,
    em.rows AS email_rows,
    ue.is_student AS email_is_student,
    ue.last_name AS email_last_name,
    ue.student_number AS email_number,
    bn.users AS number_users,
    bn.id AS number_id,
    nu.rows AS number_rows,
    un.last_name AS number_last_name
FROM match.people AS p
LEFT JOIN match.own AS l ON l.entity = 'users' AND l.external_id = p.external_id
-- A record that this provider made once and whose link is gone.
LEFT JOIN base.users AS made
    ON made.id = CASE WHEN l.external_id IS NULL THEN {{new_id}} END
LEFT JOIN base.users AS linked ON linked.id = coalesce(l.internal_id, made.id)
LEFT JOIN match.resolved AS d ON d.entity = 'users' AND d.external_id = p.external_id
LEFT JOIN base.users AS target
    ON d.resolution = 'RESOLVED_MERGED' AND target.id = d.internal_id
LEFT JOIN by_email AS be ON be.email = p.email
LEFT JOIN emails AS em ON em.email = p.email
LEFT JOIN match.unlinked AS ue ON ue.id = be.id
LEFT JOIN by_number AS bn ON p.is_student AND bn.student_number = p.student_number
LEFT JOIN numbers AS nu ON nu.student_number = p.student_number
LEFT JOIN match.unlinked AS un ON un.id = bn.id;

CREATE OR REPLACE TABLE match.decided AS
SELECT
    p.external_id,
    {{new_id}} AS new_id,
    CASE
        WHEN resolved_id = linked_id THEN [linked_id, 'external_id', NULL]
        WHEN resolved_id IS NOT NULL THEN [resolved_id, 'resolved', NULL]
        WHEN linked_id IS NOT NULL AND is_linked_there AND status = 'active'
            AND is_student <> linked_is_student
            THEN [linked_id, 'external_id', 'ROLE_CONFLICT']
        WHEN linked_id IS NOT NULL AND is_linked_there
            THEN [linked_id, 'external_id', NULL]
        WHEN resolution = 'RESOLVED_KEPT_SEPARATE' THEN [NULL, 'created', NULL]
        WHEN linked_id IS NOT NULL THEN [NULL, 'external_id', 'ORPHANED_MAPPING']
        -- Gone before it was ever known: nothing to look for.
        WHEN status <> 'active' THEN [NULL, 'created', NULL]
        WHEN email_users > 1 OR (email_users = 1 AND email_rows > 1)
            THEN [NULL, 'email', 'DUPLICATE_EMAIL']
        WHEN email_users = 1 AND is_student <> email_is_student
            THEN [NULL, 'email', 'ROLE_CONFLICT']
        WHEN email_users = 1 AND (
            number_users > 0 AND number_id <> email_id
            OR is_student AND student_number <> email_number)
            THEN [NULL, 'email', 'EMAIL_MISMATCH']
        WHEN email_users = 1 AND last_name <> email_last_name
            THEN [NULL, 'email', 'NAME_MISMATCH']
        WHEN email_users = 1 THEN [email_id, 'email', NULL]
        -- A number alone decides only where there is no e-mail to ask.
        WHEN number_users > 0
            AND (email IS NOT NULL OR number_users > 1 OR number_rows > 1)
            THEN [NULL, 'student_number', 'MERGE_CANDIDATE']
        WHEN number_users = 1 AND last_name <> number_last_name
            THEN [NULL, 'student_number', 'NAME_MISMATCH']
        WHEN number_users = 1 THEN [number_id, 'student_number', NULL]
        WHEN {{creates}} THEN [NULL, 'created', NULL]
        ELSE [NULL, 'no_match', 'MERGE_CANDIDATE']
    END AS decision
FROM match.evidence AS p

-- name: schools
-- The staged schools and districts, and the records that this provider does not know.
CREATE OR REPLACE TABLE match.staged_orgs AS
SELECT
    external_id, status, org_type, match.text_key(state_id) AS state_id,
    match.text_key(nces_id) AS nces_id, match.text_key(sis_id) AS sis_id,
    match.name_key(name) AS name
FROM {{staged}};

CREATE OR REPLACE TABLE match.free_orgs AS
SELECT
    id, org_type, match.text_key(state_id) AS state_id,
    match.text_key(nces_id) AS nces_id, match.text_key(sis_id) AS sis_id,
    match.name_key(name) AS name
FROM base.orgs
WHERE id NOT IN (SELECT internal_id FROM match.own WHERE entity = 'orgs');

-- Per key that an org can be known by: how many free records have it, the first of them,
-- and how many staged rows.
CREATE OR REPLACE TABLE match.org_keys AS
SELECT kind, org_type, key, count(id) AS orgs, min(id) AS id, count(external_id) AS rows
FROM (
    SELECT
        id, external_id, org_type,
        unnest(['state_id', 'nces_id', 'sis_id', 'name', 'org_type']) AS kind,
        unnest([state_id, nces_id, sis_id, name, org_type]) AS key
    FROM (FROM match.free_orgs UNION ALL BY NAME FROM match.staged_orgs)
)
WHERE key IS NOT NULL
GROUP BY ALL;

CREATE OR REPLACE TABLE match.decided AS
WITH evidence AS (
    SELECT
        p.*,
        coalesce(l.internal_id, made.id) AS linked_id,
        linked.id IS NOT NULL AS is_linked_there,
        d.resolution,
        target.id AS resolved_id
    FROM match.staged_orgs AS p
    LEFT JOIN match.own AS l ON l.entity = 'orgs' AND l.external_id = p.external_id
    LEFT JOIN base.orgs AS made ON l.external_id IS NULL AND made.id = {{new_id}}
    LEFT JOIN base.orgs AS linked ON linked.id = coalesce(l.internal_id, made.id)
    LEFT JOIN match.resolved AS d ON d.entity = 'orgs' AND d.external_id = p.external_id
    LEFT JOIN base.orgs AS target
        ON d.resolution = 'RESOLVED_MERGED' AND target.id = d.internal_id
)

SELECT
    p.external_id,
    {{new_id}} AS new_id,
    CASE
        WHEN resolved_id = linked_id THEN [linked_id, 'external_id', NULL]
        WHEN resolved_id IS NOT NULL THEN [resolved_id, 'resolved', NULL]
        WHEN linked_id IS NOT NULL AND is_linked_there
            THEN [linked_id, 'external_id', NULL]
        WHEN resolution = 'RESOLVED_KEPT_SEPARATE' THEN [NULL, 'created', NULL]
        WHEN linked_id IS NOT NULL THEN [NULL, 'external_id', 'ORPHANED_MAPPING']
        WHEN status <> 'active' THEN [NULL, 'created', NULL]
        -- A district has one record; two would be two districts.
        WHEN p.org_type = 'district' AND of_type.orgs = 1 AND of_type.rows = 1
            THEN [of_type.id, 'district', NULL]
        -- Of its numbers the first that both sides have decides.
        WHEN of_state.orgs > 0 AND (of_state.orgs > 1 OR of_state.rows > 1
            OR of_nces.id <> of_state.id OR of_sis.id <> of_state.id)
            THEN [NULL, 'state_id', 'MERGE_CANDIDATE']
        WHEN of_state.orgs = 1 THEN [of_state.id, 'state_id', NULL]
        WHEN of_nces.orgs > 0 AND (of_nces.orgs > 1 OR of_nces.rows > 1
            OR of_state.id <> of_nces.id OR of_sis.id <> of_nces.id)
            THEN [NULL, 'nces_id', 'MERGE_CANDIDATE']
        WHEN of_nces.orgs = 1 THEN [of_nces.id, 'nces_id', NULL]
        WHEN of_sis.orgs > 0 AND (of_sis.orgs > 1 OR of_sis.rows > 1
            OR of_state.id <> of_sis.id OR of_nces.id <> of_sis.id)
            THEN [NULL, 'sis_id', 'MERGE_CANDIDATE']
        WHEN of_sis.orgs = 1 THEN [of_sis.id, 'sis_id', NULL]
        -- The roster seems to have it, but no number names it without doubt.
        WHEN of_name.orgs > 0 THEN [NULL, 'name', 'MERGE_CANDIDATE']
        WHEN p.org_type = 'district' AND of_type.orgs > 0
            THEN [NULL, 'district', 'MERGE_CANDIDATE']
        ELSE [NULL, 'created', NULL]
    END AS decision
FROM evidence AS p
LEFT JOIN match.org_keys AS of_type
    ON of_type.kind = 'org_type' AND of_type.org_type = p.org_type
    AND of_type.key = p.org_type
LEFT JOIN match.org_keys AS of_state
    ON of_state.kind = 'state_id' AND of_state.org_type = p.org_type
    AND of_state.key = p.state_id
LEFT JOIN match.org_keys AS of_nces
    ON of_nces.kind = 'nces_id' AND of_nces.org_type = p.org_type
    AND of_nces.key = p.nces_id
LEFT JOIN match.org_keys AS of_sis
    ON of_sis.kind = 'sis_id' AND of_sis.org_type = p.org_type
    AND of_sis.key = p.sis_id
LEFT JOIN match.org_keys AS of_name
    ON of_name.kind = 'name' AND of_name.org_type = p.org_type
    AND of_name.key = p.name

-- name: settle
-- No record may be claimed by two rows: the claim of the one old link counts, all others
-- are conflicts.
CREATE OR REPLACE TABLE match.{{entity}} AS
WITH told AS (
    SELECT
        external_id,
        CASE WHEN decision[2] = 'created' THEN new_id ELSE decision[1] END AS internal_id,
        decision[2] AS rule,
        decision[3] AS conflict
    FROM match.decided
),

claimed AS (
    SELECT
        internal_id, count(*) AS claims, count(*) FILTER (rule = 'external_id') AS old
    FROM told
    WHERE internal_id IS NOT NULL
    GROUP BY internal_id
    HAVING count(*) > 1
)

SELECT
    external_id,
    CASE WHEN lost AND rule <> 'external_id' THEN NULL ELSE internal_id END AS internal_id,
    rule,
    CASE WHEN lost THEN 'MERGE_CANDIDATE' ELSE conflict END AS conflict
FROM (
    SELECT
        t.*,
        c.claims IS NOT NULL AND NOT (t.rule = 'external_id' AND c.old = 1) AS lost
    FROM told AS t
    LEFT JOIN claimed AS c USING (internal_id)
)

-- name: found
-- Every staged org and user, and the provider's links of those that are not staged, so
-- that references to them lead somewhere.
CREATE OR REPLACE TABLE match.found AS
WITH known AS (
    SELECT 'orgs' AS entity, * FROM match.orgs
    UNION ALL
    SELECT 'users', * FROM match.users
)

FROM known
UNION ALL
SELECT entity, external_id, internal_id, 'external_id', NULL
FROM match.own AS l
WHERE NOT EXISTS (
    SELECT 1 FROM known AS k
    WHERE k.entity = l.entity AND k.external_id = l.external_id
)
