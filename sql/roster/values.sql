-- Expressions over the values of one row, {{c}} being a column with a text that is
-- trimmed and never empty. Read by d118_pipelines/roster/staging/: `transforms.py`,
-- `field_rules.py` and `final_rows.py`.
-- Rule: docs/reference/mapping_files.md, transforms; docs/reference/staging.md, rows.

-- Dates: the usual form first, which needs no pattern; then others, slashes only where
-- the provider says what comes first.

-- name: plain_date
CASE
    WHEN length({{c}}) = 10 AND substr({{c}}, 5, 1) = '-' AND {{c}} >= '0'
        THEN try_cast({{c}} AS DATE)
END

-- name: longer_date
CASE
    WHEN regexp_full_match({{c}}, '\d{4}[-/]\d{2}[-/]\d{2}([T ].*)?')
        THEN try_cast(replace(substr({{c}}, 1, 10), '/', '-') AS DATE)
END

-- name: compact_date
CASE
    WHEN regexp_full_match({{c}}, '\d{8}')
        THEN CAST(try_strptime({{c}}, '%Y%m%d') AS DATE)
END

-- name: slash_date
CASE
    WHEN regexp_full_match(replace({{c}}, '-', '/'), '\d{1,2}/\d{1,2}/\d{4}')
        THEN CAST(try_strptime(replace({{c}}, '-', '/'), {{'form'}}) AS DATE)
END

-- name: boolean
CASE
    WHEN lower({{c}}) IN {{true_words}} THEN true
    WHEN lower({{c}}) IN {{false_words}} THEN false
END

-- name: number
CASE WHEN regexp_full_match({{c}}, {{'pattern'}}) THEN try_cast({{c}} AS {{kind}}) END

-- name: is_double_year
-- Two years in a row: 2026-27, 2026-2027, 1999-00.
regexp_full_match({{c}}, '[12]\d{3}-(\d{2}|[12]\d{3})')
AND right({{c}}, 2) = right(CAST(try_cast(left({{c}}, 4) AS INTEGER) + 1 AS VARCHAR), 2)

-- name: year
CASE
    WHEN regexp_full_match({{c}}, '(19|20|21)\d\d(\.0)?') THEN CAST(left({{c}}, 4) AS INTEGER)
    WHEN {{is_double}} THEN CAST(left({{c}}, 4) AS INTEGER) + 1
END

-- name: grades
-- A CASE inside of a lambda runs row by row; a look into two lists does not.
CASE
    WHEN {{is_plain}} THEN {{c}}
    ELSE list_transform({{c}}, lambda e: coalesce({{codes}}[list_position({{aliases}},
        replace(replace(lower(e), ' ', ''), '_', ''))], e))
END

-- name: is_shown
(
    regexp_full_match({{c}}, 'ext:[A-Za-z_-]{2,40}|[0-9]{1,2}')
    OR regexp_replace(lower({{c}}), '[^a-z]', '', 'g') IN ({{known}})
    OR list_has_all([{{known}}], regexp_extract_all(
        lower(regexp_replace({{c}}, '([a-z])([A-Z])', '\1 \2', 'g')), '\pL+'))
    AND length({{c}}) < 60 AND regexp_matches({{c}}, '\pL')
)

-- name: user_ids
-- Of the objects in a list those with both parts, as JSON in one form.
list_transform(
    list_filter(
        list_transform(
            list_filter({{list}}, lambda e: starts_with(e, '{') AND json_valid(e)),
            lambda e: json_extract_string(e, ['$.type', '$.identifier'])),
        lambda p: trim(p[1]) <> '' AND trim(p[2]) <> ''),
    lambda p: CAST(
        json_object('type', trim(p[1]), 'identifier', trim(p[2])) AS VARCHAR))

-- name: derived_key
-- The key of an enrollment that has none: class, user, role and begin date.
CASE
    WHEN c_class_external_id IS NOT NULL AND c_user_external_id IS NOT NULL
        THEN 'e-' || md5(concat_ws(chr(10), c_class_external_id, c_user_external_id,
            lower(coalesce(c_role, '')), coalesce(c_begin_date, '')))
END

-- name: without_gone
-- A list without the elements that lead nowhere, null where none is left.
CASE
    WHEN gone_{{field}}.n IS NULL THEN w.{{field}}
    WHEN len(list_filter(from_json(w.{{field}}, '["VARCHAR"]'),
        lambda e: NOT list_contains(gone_{{field}}.gone, e))) > 0
        THEN CAST(to_json(list_filter(from_json(w.{{field}}, '["VARCHAR"]'),
            lambda e: NOT list_contains(gone_{{field}}.gone, e))) AS VARCHAR)
END
