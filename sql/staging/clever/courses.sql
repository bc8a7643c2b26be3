-- Courses, and one course for each section that names none.
-- Rule: docs/reference/clever_api.md.
SELECT
    _collection,
    _row,
    record ->> '$.id' AS id,
    coalesce(nullif(trim(record ->> '$.name'), ''),
        nullif(trim(record ->> '$.number'), ''), 'Untitled') AS name,
    record ->> '$.number' AS number,
    record ->> '$.subject' AS subject,
    record ->> '$.grade' AS grade,
    record ->> '$.district' AS org
FROM raw.courses
UNION ALL
SELECT
    _collection, _row, record ->> '$.id' || '-course', record ->> '$.name',
    NULL, NULL, NULL, record ->> '$.district'
FROM raw.sections
WHERE coalesce(record ->> '$.course', '') = ''
