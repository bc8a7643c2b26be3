-- Sections as classes. Where term or course is missing, or the term has no dates, the
-- substitutes of terms.sql and courses.sql are named. Rule: docs/reference/clever_api.md.
WITH received AS (
    SELECT _collection, _row, unnest(json_transform(record, '{"id": "VARCHAR",
        "school": "VARCHAR", "sis_id": "VARCHAR", "name": "VARCHAR",
        "section_number": "VARCHAR", "period": "VARCHAR", "grade": "VARCHAR",
        "subject": "VARCHAR", "course": "VARCHAR", "term_id": "VARCHAR",
        "teacher": "VARCHAR", "last_modified": "VARCHAR"}'))
    FROM raw.sections
),

undated AS (
    SELECT record ->> '$.id' AS id
    FROM raw.terms
    WHERE try_cast((record ->> '$.start_date')[:10] AS DATE) IS NULL
        OR try_cast((record ->> '$.end_date')[:10] AS DATE) IS NULL
)

SELECT
    received.* EXCLUDE (course, term_id),
    if(subject ILIKE 'homeroom/advisory', 'homeroom', 'scheduled') AS class_type,
    coalesce(nullif(course, ''), received.id || '-course') AS course,
    [if(coalesce(term_id, '') = '' OR undated.id IS NOT NULL,
        (SELECT min(record ->> '$.id') FROM raw.school_year), term_id)] AS terms,
    list_filter([grade], lambda g: g != '') AS grades,
    list_filter([subject], lambda s: s != '') AS subjects,
    list_filter([period], lambda p: p != '') AS periods
FROM received
LEFT JOIN undated ON undated.id = term_id
