-- One course per course id, else course code, else course name of the classes.
-- classes.sql has the same key. Rule: docs/reference/csv_files.md, meaning.
WITH keyed AS (
    SELECT
        *,
        coalesce(course_id, course_code, 'course-' || md5(lower(course_name))) AS course
    FROM raw.classes
)

SELECT
    min(_collection) AS _collection,
    min(_row) AS _row,
    arg_min(_file, _row) AS _file,
    arg_min(_line, _row) AS _line,
    course AS id,
    coalesce(arg_min(course_name, _row), arg_min(course_code, _row), course) AS name,
    arg_min(course_code, _row) AS code,
    arg_min(subject, _row) AS subject
FROM keyed
WHERE course IS NOT NULL
GROUP BY course
