-- The classes, with the keys of their course (courses.sql) and their term (terms.sql).
-- Rule: docs/reference/csv_files.md, meaning.
SELECT
    *,
    coalesce(course_id, course_code, 'course-' || md5(lower(course_name))) AS course,
    CASE WHEN start_date IS NOT NULL AND end_date IS NOT NULL THEN
        'term-' || md5(concat_ws('|', lower(coalesce(term_name, '')), start_date))
    END AS term
FROM raw.classes
