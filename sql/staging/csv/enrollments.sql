-- The enrollments, and the teachers that a class names and no enrollment has. The one
-- teacher in `teacher_id` is primary, unless the enrollment says otherwise.
-- Rule: docs/reference/csv_files.md, meaning.
WITH named AS (
    SELECT
        c._collection, c._row, c._file, c._line,
        c.id AS class_id, c.school_id, c.status, c.teacher_id,
        unnest(list_distinct([c.teacher_id] || list_transform(
            string_split_regex(coalesce(c.teacher_ids, ''), '[,;|\s]+'),
            lambda word: nullif(word, '')))) AS teacher
    FROM raw.classes AS c
),

listed AS (
    SELECT
        e.* EXCLUDE (is_primary),
        CASE
            WHEN e.is_primary IS NOT NULL THEN e.is_primary
            WHEN lower(e.role) = 'teacher' AND c.teacher_id = e.user_id THEN 'true'
        END AS is_primary
    FROM raw.enrollments AS e
    LEFT JOIN (
        -- A class that stands twice is rejected; its enrollments stay single.
        SELECT id, min(teacher_id) AS teacher_id FROM raw.classes GROUP BY id
    ) AS c ON c.id = e.class_id
)

SELECT * FROM listed
UNION ALL BY NAME
SELECT
    n._collection, n._row, n._file, n._line,
    n.class_id || '-teacher-' || n.teacher AS id,
    n.class_id, n.school_id, n.status,
    n.teacher AS user_id,
    'teacher' AS role,
    CASE WHEN n.teacher = n.teacher_id THEN 'true' ELSE 'false' END AS is_primary
FROM named AS n
WHERE n.teacher IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM raw.enrollments AS e
    WHERE e.class_id = n.class_id AND e.user_id = n.teacher
)
