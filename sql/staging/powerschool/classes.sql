-- Sections of the current terms. Rule: docs/reference/powerschool.md, sections.
SELECT
    'sections' AS _collection, origin_row AS _row, id, CAST(schoolid AS VARCHAR) AS school, course_dcid,
    [term] AS terms,
    coalesce(course_name, course_number) AS name,
    concat_ws('.', course_number, section_number) AS class_code,
    if(contains(upper(course_number), 'HR') AND upper(course_number) <> 'CHR',
        'homeroom', 'scheduled') AS class_type,
    section_number, room, grades, grades[1] AS grade,
    -- Periods come before the days in brackets: `1-2(A-B) 7(A)` is 1-2 and 7.
    list_distinct(regexp_extract_all(expression, '([^ ()]+)\(', 1)) AS periods,
    regexp_extract(expression, '([^ ()]+)\(', 1) AS period
FROM raw.kept_sections
