-- The teachers that a class names and its enrollments do not. The one in `teacher_id` is
-- primary. Rule: docs/reference/csv_files.md, meaning.
WITH named AS (
    SELECT
        *,
        unnest(list_distinct([teacher_id] || list_transform(
            string_split_regex(coalesce(teacher_ids, ''), '[,;|\s]+'),
            lambda word: nullif(word, '')))) AS teacher
    FROM raw.classes
)

SELECT
    _collection,
    _row,
    _file,
    _line,
    id || '-teacher-' || teacher AS id,
    status,
    teacher AS user_id,
    id AS class_id,
    school_id,
    coalesce(teacher = teacher_id, false) AS is_primary
FROM named
WHERE teacher IS NOT NULL AND NOT EXISTS (
    FROM raw.enrollments AS e
    WHERE e.class_id = named.id AND e.user_id = named.teacher
)
