-- The staging tables of every provider, run by run, for any DuckDB client:
--     SET VARIABLE d118_home = 'var'; .read sql/staging/views.sql
-- One row per row that the source sent, rejected ones included. Columns that all have:
-- district_id, provider_id, last_sync_run_id, external_id, raw_json (the record as it
-- was sent), row_hash, source_file, source_line, processed (a plan has judged the row),
-- outcome (created, updated, unchanged, error, ...), rule (which one rejected it, or made
-- it a conflict). Rule: docs/reference/staging.md, views.

-- Files by layer. Each read begins with an empty file that has every column.
SET VARIABLE d118_shapes = getvariable('d118_home') || '/staged/*/[0-9]*/shape.parquet';

CREATE OR REPLACE MACRO sis_files(pattern) AS (
    SELECT coalesce(list(file), [])
    FROM glob(getvariable('d118_home') || pattern)
    WHERE file NOT LIKE '%/findings.parquet'
);
SET VARIABLE d118_staged_orgs = sis_files('/staged/*/[0-9]*/orgs.parquet');
SET VARIABLE d118_staged_terms = sis_files('/staged/*/[0-9]*/terms.parquet');
SET VARIABLE d118_staged_courses = sis_files('/staged/*/[0-9]*/courses.parquet');
SET VARIABLE d118_staged_classes = sis_files('/staged/*/[0-9]*/classes.parquet');
SET VARIABLE d118_staged_users = sis_files('/staged/*/[0-9]*/users.parquet');
SET VARIABLE d118_staged_enrollments = sis_files('/staged/*/[0-9]*/enrollments.parquet');
SET VARIABLE d118_plan_orgs = sis_files('/plans/*/[0-9]*/orgs.parquet');
SET VARIABLE d118_plan_terms = sis_files('/plans/*/[0-9]*/terms.parquet');
SET VARIABLE d118_plan_courses = sis_files('/plans/*/[0-9]*/courses.parquet');
SET VARIABLE d118_plan_classes = sis_files('/plans/*/[0-9]*/classes.parquet');
SET VARIABLE d118_plan_users = sis_files('/plans/*/[0-9]*/users.parquet');
SET VARIABLE d118_plan_enrollments = sis_files('/plans/*/[0-9]*/enrollments.parquet');
SET VARIABLE d118_rejected = sis_files('/staged/*/[0-9]*/rejected.parquet');
SET VARIABLE d118_raw = (
    sis_files('/raw/*/[0-9]*/*.parquet') || sis_files('/raw/*/*/[0-9]*/rows.parquet')
);
SET VARIABLE d118_planned = sis_files('/plans/*/[0-9]*/manifest.json');

-- Every staged run, and where its raw rows lie.
CREATE OR REPLACE VIEW sis_staged_runs AS
SELECT
    parse_dirpath(filename) AS folder,
    provider AS provider_id,
    district AS district_id,
    run_id AS last_sync_run_id,
    raw AS raw_paths,
    len(list_filter(getvariable('d118_planned'), lambda f: f LIKE (
        '%/plans/' || provider || '/%-' || left(run_id, 8) || '/manifest.json'))) > 0
        AS is_planned
FROM read_json(
    getvariable('d118_home') || '/staged/*/[0-9]*/manifest.json',
    filename = true,
    columns = {
        provider: 'VARCHAR', district: 'VARCHAR', run_id: 'VARCHAR',
        raw: 'MAP(VARCHAR, VARCHAR)'
    }
);

-- Every raw row as JSON: the record itself, or the row of a table without its blanks.
-- One SELECT per file, because columns of one name have other types elsewhere.
SET VARIABLE d118_raw_rows = (
    SELECT concat_ws(' UNION ALL ',
        'SELECT NULL::VARCHAR AS raw_file, NULL::BIGINT AS raw_row, NULL::JSON AS '
        || 'row_json WHERE false',
        string_agg('SELECT ''' || file || ''', file_row_number, to_json(t) FROM '
            || 'read_parquet(''' || file || ''', file_row_number = true) AS t',
            ' UNION ALL '))
    FROM (SELECT unnest(getvariable('d118_raw')) AS file)
);

CREATE OR REPLACE VIEW sis_raw_rows AS
SELECT
    raw_file,
    raw_row,
    coalesce(
        row_json ->> '$.record',
        CAST(json_merge_patch('{}', json_merge_patch(row_json,
            '{"file_row_number": null, "_line": null}')) AS VARCHAR)
    ) AS raw_json
FROM query(getvariable('d118_raw_rows'));

-- Staged and rejected rows of one entity with their run, raw row and outcome.
CREATE OR REPLACE MACRO sis_rows(entity_name, staged_files, plan_files) AS TABLE
WITH runs AS (FROM sis_staged_runs),

sent AS (
    -- The md5 of all but where the row came from and when the source touched it.
    SELECT * EXCLUDE (filename, rule, action) REPLACE (
            md5(CAST(json_merge_patch(to_json(t), '{"filename": null, "row_hash": null,
                "source_file": null, "source_line": null, "source_modified_at": null,
                "raw_collection": null, "raw_row": null}') AS VARCHAR)) AS row_hash),
        parse_dirpath(filename) AS folder,
        CAST(NULL AS VARCHAR) AS rejected_by
    FROM read_parquet([getvariable('d118_shapes')] || staged_files,
        union_by_name = true, filename = true) AS t
    UNION ALL BY NAME
    SELECT external_id, source_file, source_line, raw_collection, raw_row,
        parse_dirpath(filename) AS folder, code AS rejected_by
    FROM read_parquet([getvariable('d118_shapes')] || getvariable('d118_rejected'),
        union_by_name = true, filename = true)
    WHERE entity = entity_name
),

planned AS (
    SELECT external_id, any_value(action) AS action, any_value(rule) AS rule,
        regexp_extract(filename, '/plans/([^/]+)/[^/]*/[^/]*$', 1) AS provider_id,
        regexp_extract(filename, '-([^/-]+)/[^/]*$', 1) AS run
    FROM read_parquet([getvariable('d118_shapes')] || plan_files,
        union_by_name = true, filename = true)
    GROUP BY external_id, provider_id, run
)

SELECT
    runs.district_id,
    runs.provider_id,
    runs.last_sync_run_id,
    raws.raw_json,
    runs.is_planned AS processed,
    CASE
        WHEN sent.rejected_by IS NOT NULL THEN 'error'
        WHEN NOT runs.is_planned THEN NULL
        WHEN planned.action IS NULL THEN 'unchanged'
        WHEN planned.action IN ('create', 'update', 'reactivate', 'deactivate')
            THEN planned.action || 'd'
        WHEN planned.action IN ('link', 'unlink') THEN planned.action || 'ed'
        ELSE planned.action
    END AS outcome,
    coalesce(sent.rejected_by, planned.rule) AS rule,
    sent.*
FROM sent
JOIN runs ON runs.folder = sent.folder
LEFT JOIN planned
    ON planned.external_id = sent.external_id AND sent.rejected_by IS NULL
    AND planned.provider_id = runs.provider_id
    AND planned.run = left(runs.last_sync_run_id, 8)
LEFT JOIN sis_raw_rows AS raws
    ON raws.raw_row = sent.raw_row
    AND raws.raw_file
    = getvariable('d118_home') || '/' || runs.raw_paths[sent.raw_collection];

CREATE OR REPLACE VIEW sis_raw_schools AS
SELECT
    district_id, provider_id, last_sync_run_id, external_id, status,
    inactive_reason, raw_json, row_hash, source_file, source_line, processed,
    outcome, rule, name, org_type, parent_external_id, sis_id, state_id, nces_id,
    low_grade, high_grade, phone, address_street, address_city, address_state,
    address_zip, principal_name, principal_email,
    sis_id AS school_number
FROM sis_rows('orgs', getvariable('d118_staged_orgs'), getvariable('d118_plan_orgs'));

CREATE OR REPLACE VIEW sis_raw_terms AS
SELECT
    district_id, provider_id, last_sync_run_id, external_id, status,
    inactive_reason, raw_json, row_hash, source_file, source_line, processed,
    outcome, rule, name, type, school_year, start_date, end_date,
    parent_external_id, school_external_id
FROM sis_rows('terms', getvariable('d118_staged_terms'), getvariable('d118_plan_terms'));

CREATE OR REPLACE VIEW sis_raw_courses AS
SELECT
    district_id, provider_id, last_sync_run_id, external_id, status,
    inactive_reason, raw_json, row_hash, source_file, source_line, processed,
    outcome, rule, name, course_code, course_number, subject, grade_level, subjects,
    subject_codes, grades, description, credits, sis_id, school_external_id,
    school_year_external_id
FROM sis_rows('courses', getvariable('d118_staged_courses'), getvariable('d118_plan_courses'));

CREATE OR REPLACE VIEW sis_raw_classes AS
SELECT
    c.district_id, c.provider_id, c.last_sync_run_id, c.external_id, c.status,
    c.inactive_reason, c.raw_json, c.row_hash, c.source_file, c.source_line,
    c.processed, c.outcome, c.rule, c.school_external_id, c.course_external_id,
    c.term_external_ids, c.name, c.class_code, c.class_type, c.section_number,
    c.subject, c.grade_level, c.period, c.subjects, c.subject_codes, c.grades,
    c.periods, c.room, c.sis_id, c.primary_teacher_external_id,
    m.course_code,
    t.term_start,
    t.term_end
FROM sis_rows('classes', getvariable('d118_staged_classes'),
    getvariable('d118_plan_classes')) AS c
LEFT JOIN sis_raw_courses AS m
    ON m.external_id = c.course_external_id AND m.provider_id = c.provider_id
    AND m.last_sync_run_id = c.last_sync_run_id AND m.status IS NOT NULL
LEFT JOIN (
    SELECT k.external_id, k.folder, min(s.start_date) AS term_start,
        max(s.end_date) AS term_end
    FROM (
        SELECT external_id, folder, provider_id, last_sync_run_id,
            unnest(from_json(term_external_ids, '["VARCHAR"]')) AS term
        FROM sis_rows('classes', getvariable('d118_staged_classes'),
            getvariable('d118_plan_classes'))) AS k
    JOIN sis_raw_terms AS s
        ON s.external_id = k.term AND s.provider_id = k.provider_id
        AND s.last_sync_run_id = k.last_sync_run_id
    GROUP BY ALL
) AS t ON t.external_id = c.external_id AND t.folder = c.folder;

CREATE OR REPLACE VIEW sis_raw_users AS
SELECT
    district_id, provider_id, last_sync_run_id, external_id, status,
    inactive_reason, raw_json, row_hash, source_file, source_line, processed,
    outcome, rule, username, email, first_name, middle_name, last_name,
    preferred_first_name, preferred_middle_name, preferred_last_name, pronouns,
    title, grade_level, grades, graduation_year, birth_date, gender, student_number,
    staff_id, identifier, user_ids, master_identifier, sis_id, state_id, phone, sms,
    primary_school_external_id, enabled, roles, agent_external_ids,
    roles ->> '$[0].role' AS role
FROM sis_rows('users', getvariable('d118_staged_users'), getvariable('d118_plan_users'));

CREATE OR REPLACE VIEW sis_raw_enrollments AS
SELECT
    district_id, provider_id, last_sync_run_id, external_id, status,
    inactive_reason, raw_json, row_hash, source_file, source_line, processed,
    outcome, rule, user_external_id, class_external_id, school_external_id, role,
    is_primary, begin_date, end_date
FROM sis_rows('enrollments', getvariable('d118_staged_enrollments'), getvariable('d118_plan_enrollments'));
