-- What staging asks of all rows of an entity at once: keys, references, sums.
-- Read by d118_pipelines/roster/staging/: `key_rules.py`, `reference_rules.py` and
-- `tally.py`, which add the rules. `work.<entity>` are the rows as they were read,
-- `out.<entity>` the numbers and codes of those left out, `ok.<entity>` the records that a
-- reference may point at. Rule: docs/reference/staging.md.

-- name: repeats
-- One key of all that occur more than once, but for their case.
(
    SELECT hash(lower(external_id)) AS key
    FROM work.{{entity}}
    WHERE external_id IS NOT NULL
    GROUP BY key
    HAVING count(*) > 1
    LIMIT 1)

-- name: repeated_keys
-- The rows whose key, compared without case, occurs more than once. Hashes are grouped in
-- place of texts: a tenth of the memory; what collides by chance falls out below.
-- Of rows of an API the later one comes first, of rows of a file the earlier one.
SELECT
    *,
    count(*) OVER same AS times,
    min(content) OVER same <> max(content) OVER same AS differs,
    min(core) OVER same <> max(core) OVER same AS is_other,
    row_number() OVER (
        PARTITION BY external_id
        ORDER BY raw_collection, CASE WHEN is_api THEN -raw_row ELSE raw_row END, n)
        AS place,
    min(external_id) OVER folded <> max(external_id) OVER folded AS other_case
FROM (
    SELECT
        n, external_id, source_file, source_line, raw_collection, raw_row, is_api,
        {{content}} AS content, {{core}} AS core
    FROM work.{{entity}}
    WHERE external_id IS NOT NULL AND hash(lower(external_id)) IN (
        SELECT hash(lower(external_id))
        FROM work.{{entity}}
        WHERE external_id IS NOT NULL
        GROUP BY 1
        HAVING count(*) > 1)
)
WINDOW same AS (PARTITION BY external_id), folded AS (PARTITION BY lower(external_id))

-- name: leave_out_repeated
INSERT INTO out.{{entity}}
SELECT n, {{code}}
FROM hits
WHERE
    (times > 1 AND is_other AND NOT is_api OR external_id IS NOT NULL AND place > 1)
    AND n NOT IN (SELECT n FROM out.{{entity}})

-- name: merged
-- Rows of one record that differ in their lists: the first one gets the lists of all.
CREATE OR REPLACE TABLE merged_{{entity}}_{{what}} AS
SELECT min(n) FILTER (place = 1) AS n, {{lists}}
FROM hits
JOIN work.{{entity}} AS w USING (n)
WHERE differs AND NOT is_other AND NOT hits.is_api
GROUP BY hits.{{key}}

-- name: aligned
-- A list beside the roles of a row with one element for each of them: one stands for all.
[coalesce({{c}}[i], {{otherwise}}) FOR i IN generate_series(
    1, greatest(len(w.raw_roles), coalesce(len(w.raw_school_external_ids), 0)))]

-- name: joined_list
CASE
    WHEN min(coalesce({{c}}, '')) = max(coalesce({{c}}, '')) THEN any_value({{c}})
    ELSE CAST(to_json(list_sort(list_distinct(flatten(
        list(from_json({{c}}, '["JSON"]')) FILTER ({{c}} IS NOT NULL))))) AS VARCHAR)
END

-- name: replaced
ALTER VIEW work.{{entity}} RENAME TO {{entity}}_{{what}};

CREATE VIEW work.{{entity}} AS
SELECT w.* REPLACE ({{columns}}) FROM work.{{entity}}_{{what}} AS w

-- name: value_of_merged
coalesce((SELECT m.{{c}} FROM merged_{{entity}}_{{what}} AS m WHERE m.n = w.n), w.{{c}})

-- name: merged_people
SELECT
    *, row_number() OVER (PARTITION BY first_id ORDER BY external_id) AS place,
    true AS differs, false AS is_other, false AS is_api
FROM ({{same}})
WHERE first_id <> last_id

-- name: leave_out_merged
CREATE TABLE same_people AS SELECT external_id, first_id FROM hits WHERE place > 1;

INSERT INTO out.users SELECT n, NULL FROM hits WHERE place > 1

-- name: merged_key
coalesce((SELECT first_id FROM same_people AS s WHERE s.external_id = {{key}}), {{key}})

-- name: agents_of_merged
CASE
    WHEN list_has_any(from_json(w.agent_external_ids, '["VARCHAR"]'),
        (SELECT list(external_id) FROM same_people))
        THEN (
            SELECT CAST(to_json(list_sort(list_distinct(list(coalesce(s.first_id, e)))))
                AS VARCHAR)
            FROM unnest(from_json(w.agent_external_ids, '["VARCHAR"]')) AS a (e)
            LEFT JOIN same_people AS s ON s.external_id = e)
    ELSE w.agent_external_ids
END

-- name: leave_out_described_twice
-- What is said of a person under the first key counts.
INSERT INTO out.demographics
SELECT w.n, NULL
FROM work.demographics AS w
JOIN same_people AS s USING (external_id)
WHERE s.first_id IN (SELECT external_id FROM work.demographics)

-- name: accepted
-- The rows that no rule has left out so far.
(FROM work.{{entity}} AS w WHERE w.n NOT IN (SELECT n FROM out.{{entity}}))

-- name: no_keys
CREATE OR REPLACE TABLE ok.{{entity}} (
    external_id VARCHAR, is_deleted BOOLEAN, kind VARCHAR, start_date DATE,
    end_date DATE, school VARCHAR, term_external_ids VARCHAR, has_student BOOLEAN,
    has_staff BOOLEAN, name VARCHAR
)

-- name: known_keys
-- Records of the roster, which references of delta rows may point at.
INSERT INTO ok.{{entity}} BY NAME
SELECT DISTINCT external_id
FROM {{known}}
WHERE external_id NOT IN (SELECT external_id FROM ok.{{entity}})

-- name: gone_elements
-- Elements of a list that lead nowhere.
CREATE OR REPLACE TABLE gone_{{field}} AS
SELECT
    n, list(element) AS gone,
    coalesce(first('differs in case only: ' || t.external_id)
        FILTER (t.external_id IS NOT NULL), '') AS cause
FROM (
    SELECT n, unnest(from_json({{field}}, '["VARCHAR"]')) AS element
    FROM {{accepted}} AS w
    WHERE {{field}} IS NOT NULL
)
LEFT JOIN ok.{{target}} AS t ON lower(t.external_id) = lower(element)
WHERE element NOT IN (SELECT external_id FROM ok.{{target}})
GROUP BY n

-- name: circle
-- Records whose chain of parents leads back to themselves.
CREATE OR REPLACE TABLE circle AS
WITH RECURSIVE links AS (
    SELECT external_id, parent_external_id AS parent
    FROM {{accepted}} AS w
    WHERE parent_external_id IS NOT NULL
),

up AS (
    SELECT external_id AS origin, parent AS place FROM links
    UNION
    SELECT up.origin, links.parent FROM up JOIN links ON links.external_id = up.place
)

SELECT origin FROM up WHERE origin = place

-- name: spans
-- First and last day of the terms of each class.
CREATE OR REPLACE TABLE spans AS
SELECT class, min(t.start_date) AS starts, max(t.end_date) AS ends
FROM (
    SELECT
        external_id AS class, unnest(from_json(term_external_ids, '["VARCHAR"]')) AS term
    FROM ok.classes
) AS c
JOIN ok.terms AS t ON t.external_id = c.term
GROUP BY class

-- name: cause
-- Whether the record pointed at has a key in another case or with other zeros, was
-- rejected, or not sent.
CASE
    WHEN lower({{field}}) IN (SELECT lower(external_id) FROM ok.{{target}})
        THEN 'differs in case only: ' || (
            SELECT min(t.external_id) FROM ok.{{target}} AS t
            WHERE lower(t.external_id) = lower({{field}}))
    WHEN ltrim({{field}}, '0') IN (SELECT ltrim(external_id, '0') FROM ok.{{target}})
        THEN 'differs in leading zeros only: ' || (
            SELECT min(t.external_id) FROM ok.{{target}} AS t
            WHERE ltrim(t.external_id, '0') = ltrim({{field}}, '0'))
    WHEN {{field}} IN (SELECT external_id FROM rejected WHERE entity = {{'target'}})
        THEN 'the record that it points at was rejected'
    ELSE 'the record that it points at was not sent'
END

-- name: primary_enrollments
(
    FROM {{accepted}} AS w
    WHERE status = 'active' AND role = 'teacher' AND is_primary
)

-- name: repeated_enrollments
-- Hashes are grouped in place of texts, as above.
(
    FROM {{accepted}} AS w
    WHERE status = 'active' AND hash(user_external_id, class_external_id, role) IN (
        SELECT hash(user_external_id, class_external_id, role)
        FROM {{accepted}} AS v
        WHERE status = 'active'
        GROUP BY 1
        HAVING count(*) > 1)
)

-- name: same_people
-- Live rows with the name, the user name and the e-mail of another one. A user name that
-- is the e-mail says no more than that, and an e-mail of several names is a shared one.
SELECT
    n, external_id, source_file, source_line,
    min(external_id) OVER person AS first_id, max(external_id) OVER person AS last_id
FROM (
    SELECT
        *, lower(first_name) || ' ' || lower(last_name) AS name,
        lower(username) <> lower(email)
        OR min(name) OVER address = max(name) OVER address AS is_own
    FROM {{accepted}} AS w
    WHERE
        status = 'active' AND username IS NOT NULL
        -- Hashes are grouped in place of texts, as above.
        AND hash(lower(email)) IN (
            SELECT hash(lower(email))
            FROM {{accepted}} AS v
            WHERE email IS NOT NULL
            GROUP BY 1
            HAVING count(*) > 1)
    WINDOW address AS (PARTITION BY lower(email))
)
WHERE is_own AND name IS NOT NULL
WINDOW person AS (PARTITION BY lower(username), lower(email), name)

-- name: primary_teachers
-- The one primary teacher of each class that has exactly one.
CREATE OR REPLACE TABLE primary_teachers AS
SELECT class_external_id AS class, min(user_external_id) AS teacher
FROM {{primary}} AS p
GROUP BY 1
HAVING count(DISTINCT user_external_id) = 1

-- name: overlaps
-- Enrollments and the last day of those before them in their group.
SELECT
    external_id, source_file, source_line, begin_date,
    max(coalesce(end_date, DATE '9999-12-31')) OVER (
        PARTITION BY {{keys}} ORDER BY begin_date NULLS FIRST, external_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended
FROM {{rows}} AS g

-- name: tally
CREATE TABLE fetched (entity VARCHAR, source_file VARCHAR, fetched BIGINT);
CREATE TABLE rejected_weights (
    entity VARCHAR, source_file VARCHAR, weight BIGINT, is_unreadable BOOLEAN
)

-- name: add_fetched
INSERT INTO fetched
SELECT {{'entity'}}, source_file, count(*) FROM work.{{entity}} GROUP BY ALL

-- name: take_over
-- The findings of the pull; rows that it rejected count as present.
CREATE VIEW pulled AS
SELECT f.* REPLACE (coalesce(e.entity, '') AS entity)
FROM (SELECT *, parse_filename(source_file, true) AS stem FROM {{findings}}) AS f
LEFT JOIN (VALUES {{entities}}) AS e (stem, entity) USING (stem);

INSERT INTO findings BY NAME
SELECT * EXCLUDE (stem) FROM pulled;

INSERT INTO rejected
SELECT entity, external_id, code, source_file, source_line, stem, NULL
FROM pulled
WHERE severity = 'reject' AND entity <> '';

INSERT INTO rejected_weights
SELECT entity, source_file, CAST("count" AS BIGINT), external_id IS NULL
FROM pulled
WHERE severity = 'reject' AND entity <> '';

INSERT INTO fetched
SELECT entity, source_file, sum(weight) FROM rejected_weights GROUP BY ALL

-- name: add_rejected
INSERT INTO rejected
SELECT
    {{'entity'}}, external_id, code, source_file, source_line, raw_collection, raw_row
FROM work.{{entity}}
JOIN out.{{entity}} USING (n)
WHERE code IS NOT NULL;

-- Nobody knows whose a garbled key is: its record may be any that seems to be missing.
INSERT INTO rejected_weights
SELECT {{'entity'}}, source_file, 1, external_id IS NULL OR code = 'row.bad_guid'
FROM work.{{entity}}
JOIN out.{{entity}} USING (n)
WHERE code IS NOT NULL

-- name: counts
-- Of each entity the rows that were fetched, rejected, and rejected without a readable key.
SELECT entity, coalesce(fetched, 0), coalesce(rejected, 0), coalesce(unreadable, 0)
FROM (SELECT entity, sum(fetched) AS fetched FROM fetched GROUP BY entity)
FULL JOIN (
    SELECT
        entity, sum(weight) AS rejected,
        sum(weight) FILTER (is_unreadable) AS unreadable
    FROM rejected_weights
    GROUP BY entity) USING (entity)

-- name: rejected_of_files
SELECT entity, source_file, sum(fetched), sum(rejected)
FROM (
    SELECT entity, source_file, 0 AS fetched, sum(weight) AS rejected
    FROM rejected_weights
    GROUP BY ALL
    UNION ALL
    SELECT entity, source_file, fetched, 0 FROM fetched
)
GROUP BY ALL
ORDER BY ALL

-- Live rows by school, and whether they are lost with a record that was rejected:
-- classes with their school, their course or all of their terms, people with their
-- school, enrollments with their class or person.

-- name: weighed
CREATE MACRO rejected_of(name) AS TABLE
SELECT external_id
FROM rejected
WHERE entity = name AND external_id IS NOT NULL;

CREATE TABLE weighed (
    entity VARCHAR, external_id VARCHAR, school VARCHAR, is_lost BOOLEAN
);

-- What is no school here cannot lose anything.
CREATE TABLE IF NOT EXISTS ok.orgs (external_id VARCHAR);

CREATE TABLE schools AS
SELECT external_id FROM ok.orgs UNION FROM rejected_of('orgs');

-- Without terms none is gone.
CREATE TABLE IF NOT EXISTS gone_term_external_ids (n BIGINT, gone VARCHAR[])

-- name: weigh_classes
INSERT INTO weighed
SELECT
    'classes', external_id, school_external_id,
    coalesce(school_external_id IN (FROM rejected_of('orgs')), false)
    OR coalesce(course_external_id IN (FROM rejected_of('courses')), false)
    OR coalesce(len(gone) = len(from_json(term_external_ids, '["VARCHAR"]'))
        AND list_has_any(gone, (SELECT list(external_id) FROM rejected_of('terms'))), false)
FROM work.classes
LEFT JOIN gone_term_external_ids USING (n)
WHERE status = 'active'

-- name: weigh_users
INSERT INTO weighed
SELECT
    'users', external_id, coalesce(primary_school_external_id, raw_school_external_ids[1]),
    n IN (SELECT n FROM out.users WHERE code = 'ref.orphan')
    AND coalesce(list_has_any(
        raw_school_external_ids, (SELECT list(external_id) FROM rejected_of('orgs'))), false)
FROM work.users
WHERE status = 'active'

-- name: weigh_enrollments
INSERT INTO weighed
SELECT
    'enrollments', w.external_id, coalesce(w.school_external_id, c.school),
    coalesce(c.is_lost, false) OR coalesce(u.is_lost, false)
    OR coalesce(w.class_external_id IN (FROM rejected_of('classes')), false)
FROM work.enrollments AS w
LEFT JOIN weighed AS c ON c.entity = 'classes' AND c.external_id = w.class_external_id
LEFT JOIN weighed AS u ON u.entity = 'users' AND u.external_id = w.user_external_id
WHERE w.status = 'active'

-- name: lost
-- Entity and school (null: the whole district), lost rows, all rows; the largest first.
-- A few are none, unless they are all.
SELECT entity, school, count_if(is_lost) AS lost, count(*) AS whole
FROM weighed
GROUP BY GROUPING SETS ((entity), (entity, school))
HAVING
    lost > CASE WHEN grouping(school) = 1 THEN {{of_entity}} ELSE {{of_school}} END * whole
    AND (lost >= {{least}} OR lost = whole)
    AND (grouping(school) = 1 OR school IN (FROM schools))
ORDER BY grouping(school) DESC, lost DESC, entity, school

-- name: roots
-- Rejected records that others point at; those that fall with others only if all do.
SELECT entity || ' ' || external_id AS name, bool_and(code = 'ref.orphan') AS falls
FROM rejected
WHERE
    entity IN ('orgs', 'terms', 'courses', 'classes') AND external_id IS NOT NULL
GROUP BY name
QUALIFY falls = min(falls) OVER ()
ORDER BY name
LIMIT 5

-- name: main_reasons
SELECT code, sum("count")
FROM findings
WHERE severity = 'reject' AND entity = {{'entity'}}
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT 5

-- name: unknown_words
SELECT detail
FROM findings
WHERE
    code IN ('row.bad_enum', 'row.bad_bool', 'row.bad_status')
    AND entity = {{'entity'}}
    AND detail LIKE '% "%": %'
ORDER BY "count" DESC, detail
LIMIT 3

-- What later entities need to know of an accepted record. `kind` is compared by
-- row.wrong_type, the rest is read by rules on enrollments.

-- name: keep_orgs
CREATE OR REPLACE TABLE ok.orgs AS
SELECT external_id, inactive_reason = 'tobedeleted' AS is_deleted, org_type AS kind
FROM {{accepted}} AS w

-- name: keep_terms
CREATE OR REPLACE TABLE ok.terms AS
SELECT
    external_id, inactive_reason = 'tobedeleted' AS is_deleted, type AS kind, start_date,
    end_date
FROM {{accepted}} AS w

-- name: keep_courses
CREATE OR REPLACE TABLE ok.courses AS
SELECT external_id, inactive_reason = 'tobedeleted' AS is_deleted, name
FROM {{accepted}} AS w

-- name: keep_classes
CREATE OR REPLACE TABLE ok.classes AS
SELECT
    external_id, inactive_reason = 'tobedeleted' AS is_deleted,
    school_external_id AS school, term_external_ids
FROM {{accepted}} AS w

-- name: keep_users
CREATE OR REPLACE TABLE ok.users AS
SELECT
    external_id, inactive_reason = 'tobedeleted' AS is_deleted,
    coalesce(r.has_student, false) AS has_student,
    coalesce(r.has_staff, false) AS has_staff
FROM {{accepted}} AS w
LEFT JOIN roles_of_users AS r ON r.n = w.n
