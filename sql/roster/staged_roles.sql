-- The roles of users: words, schools, dates and which one is primary.
-- Read by d118_pipelines/roster/staging/role_rules.py, which adds the rules. A role is
-- never guessed. Rule: docs/reference/staging.md, roles.

-- name: prepare
CREATE OR REPLACE MACRO filled(t) AS nullif(trim(t, {{blanks}}), '');

-- A companion of the list of roles has one element per role, or one for all.
CREATE OR REPLACE MACRO companion(l, i) AS
    coalesce(l[i], CASE WHEN len(l) = 1 THEN l[1] END);

-- Without orgs no school can be looked up.
CREATE TABLE IF NOT EXISTS ok.orgs (
    external_id VARCHAR, is_deleted BOOLEAN, kind VARCHAR
)

-- name: roles
-- One row per role as it was sent: its word as it is spelled in the vocabulary (`known`),
-- the roster's role, and the school (`place`): the role's own, else the user's, else the
-- one district.
WITH listed AS (
    SELECT
        n, external_id, source_file, source_line, status,
        primary_school_external_id AS own_school, raw_roles, raw_role_types,
        raw_school_external_ids, raw_role_begin_dates, raw_role_end_dates,
        unnest(generate_series(1, greatest(
            len(raw_roles), coalesce(len(raw_school_external_ids), 0)))) AS i
    FROM work.users
    WHERE len(raw_roles) > 0 AND n NOT IN (SELECT n FROM out.users)
),

-- A role is a word, or an object that brings its own companions.
sent AS (
    SELECT
        *,
        companion(raw_roles, i) AS text,
        CASE WHEN starts_with(text, '{') AND json_valid(text) THEN text END AS obj
    FROM listed
),

elements AS (
    SELECT
        n, i, external_id, source_file, source_line, own_school, status,
        filled(coalesce(
            json_extract_string(obj, '$.role'), json_extract_string(obj, '$.source_role'),
            CASE WHEN text NOT LIKE '{%' THEN text END)) AS word,
        filled(coalesce(json_extract_string(obj, '$.school_external_id'),
            companion(raw_school_external_ids, i))) AS school,
        lower(filled(coalesce(json_extract_string(obj, '$.role_type'),
            raw_role_types[i]))) AS role_type,
        CAST(json_extract_string(obj, '$.is_primary') AS BOOLEAN) AS is_primary,
        filled(coalesce(json_extract_string(obj, '$.begin_date'),
            raw_role_begin_dates[i])) AS begin_text,
        filled(coalesce(json_extract_string(obj, '$.end_date'),
            raw_role_end_dates[i])) AS end_text
    FROM sent
),

placed AS (
    SELECT
        *,
        {{known}} AS known,
        {{role}} AS role,
        coalesce(school, own_school, (
            SELECT CASE WHEN count(*) = 1 THEN min(external_id) END
            FROM ok.orgs WHERE kind = 'district')) AS place
    FROM elements
)

SELECT
    r.*,
    CASE WHEN o.external_id IS NOT NULL THEN coalesce(o.kind, '') END AS kind,
    {{has_orgs}} AND role IS NOT NULL AND place IS NOT NULL AND o.external_id IS NULL
        AS is_orphan,
    {{begin_date}} AS begin_date,
    {{end_date}} AS end_date
FROM placed AS r
LEFT JOIN ok.orgs AS o ON o.external_id = place

-- name: merged
-- One row per user, school and word; `administrator` is told apart by the kind of its org.
WITH usable AS (
    SELECT
        * EXCLUDE (role, is_primary),
        known = 'administrator' AND kind = 'district' AS is_of_district,
        CASE
            WHEN is_of_district THEN 'districtAdministrator'
            WHEN known = 'administrator' THEN 'siteAdministrator'
            WHEN known IN {{standard}} OR starts_with(known, 'ext:') THEN known
            ELSE {{written}}
        END AS source_role,
        CASE WHEN is_of_district THEN 'district_admin' ELSE role END AS role,
        coalesce(is_primary,
            CASE role_type WHEN 'primary' THEN true WHEN 'secondary' THEN false END)
            AS is_primary
    FROM role_hits
    WHERE role IS NOT NULL AND place IS NOT NULL AND NOT is_orphan
        -- An end that cannot be read does not mean for ever.
        AND (end_text IS NULL OR end_date IS NOT NULL)
),

grouped AS (
    SELECT
        n, place, source_role,
        any_value(role) AS role,
        any_value(external_id) AS external_id,
        any_value(source_file) AS source_file,
        any_value(source_line) AS source_line,
        count(*) AS times,
        bool_or(is_primary) AS is_primary,
        CASE WHEN bool_or(begin_date IS NULL) THEN NULL ELSE min(begin_date) END
            AS begin_date,
        CASE WHEN bool_or(end_date IS NULL) THEN NULL ELSE max(end_date) END AS end_date,
        min(i) AS i
    FROM usable
    GROUP BY n, place, source_role
),

-- The only role at a school is its primary one; of several the first.
told AS (
    SELECT
        * EXCLUDE (is_primary),
        coalesce(is_primary, count(*) OVER (PARTITION BY n, place) = 1) AS is_marked
    FROM grouped
),

counted AS (
    SELECT
        *,
        coalesce(count_if(is_marked) OVER (
            PARTITION BY n, place ORDER BY source_role
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS earlier
    FROM told
)

SELECT *, is_marked AND earlier = 0 AS is_primary FROM counted

-- name: gathered
-- Per user: the list of roles, the school of the first primary one, what the roles are.
SELECT
    n,
    '[' || string_agg(CAST(json_object(
        'school_external_id', place, 'role', role, 'source_role', source_role,
        'is_primary', is_primary, 'begin_date', begin_date, 'end_date', end_date)
        AS VARCHAR), ',' ORDER BY place, source_role) || ']' AS roles,
    coalesce(arg_min(place, i) FILTER (is_primary), arg_min(place, i)) AS school,
    list(place) AS schools,
    bool_or(role = 'student') AS has_student,
    bool_or(role NOT IN ('student', 'parent', 'guardian', 'relative')) AS has_staff
FROM merged_roles
GROUP BY n

-- name: unknown_words
-- One finding for each word that may be shown, with the line that maps it; its record,
-- where that is the only one. Of enrollments a single one says it itself.
INSERT INTO findings BY NAME
SELECT
    {{'entity'}} AS entity, 'row.bad_enum' AS code, 'warn' AS severity, if({{'entity'}} = 'users', 'roles', 'role') AS field,
    min(source_file) AS source_file, count(DISTINCT n) AS "count",
    CASE WHEN "count" = 1 THEN min(external_id) END AS external_id,
    CASE WHEN "count" = 1 THEN min(source_line) END AS source_line,
    format('role "{}": {:,} {}; add under role_map in {}: "{}": ...', {{word}}, "count",
        if("count" = 1, rtrim({{'entity'}}, 's'), {{'entity'}}), {{'mapping'}}, {{word}})
        AS detail
FROM {{rows}} AND {{shown}}
GROUP BY {{word}}
HAVING "count" > 1 OR {{'entity'}} = 'users'

-- name: without_roles
-- Live users without any role: whether a word or a school was lost.
SELECT
    w.n, w.external_id, w.source_file, w.source_line,
    coalesce(bool_or(r.n IS NOT NULL AND r.role IS NULL), false) AS lost_word,
    coalesce(min({{shown}}) FILTER (r.role IS NULL), '') AS the_word,
    coalesce(bool_or(r.is_orphan), false) AS lost_school
FROM work.users AS w
LEFT JOIN role_hits AS r ON r.n = w.n
WHERE
    w.n NOT IN (SELECT n FROM roles_of_users)
    AND w.n NOT IN (SELECT n FROM out.users)
    AND w.inactive_reason IS DISTINCT FROM 'tobedeleted'
GROUP BY ALL
