-- The members of each section. Only `teacher` is primary; all co-teachers are kept, and
-- a `teacher` that `teachers` lacks is added. Rule: docs/reference/clever_api.md.
WITH sections AS (
    SELECT _collection, _row, unnest(json_transform(record, '{"id": "VARCHAR",
        "school": "VARCHAR", "teacher": "VARCHAR", "teachers": ["VARCHAR"],
        "students": ["VARCHAR"], "last_modified": "VARCHAR"}'))
    FROM raw.sections
),

members AS (
    SELECT *, unnest(list_distinct(students)) AS person, 's' AS kind FROM sections
    UNION ALL
    SELECT *, unnest(list_distinct([teacher] || coalesce(teachers, []))), 't'
    FROM sections
)

SELECT
    _collection,
    _row,
    id || '-' || kind || '-' || person AS external_id,
    id AS section,
    school,
    person,
    last_modified,
    if(kind = 's', 'student', 'teacher') AS role,
    if(kind = 's', NULL, coalesce(person = teacher, false)) AS is_primary
FROM members
