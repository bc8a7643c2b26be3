-- One term per name and first day of the classes; the latest last day counts.
-- classes.sql has the same key. Rule: docs/reference/csv_files.md, meaning.
WITH keyed AS (
    SELECT
        *,
        'term-' || md5(concat_ws('|', lower(coalesce(term_name, '')), start_date)) AS term
    FROM raw.classes
    WHERE start_date IS NOT NULL AND end_date IS NOT NULL
),

terms AS (
    SELECT
        min(_collection) AS _collection,
        min(_row) AS _row,
        arg_min(_file, _row) AS _file,
        arg_min(_line, _row) AS _line,
        term AS id,
        arg_min(term_name, _row) AS term_name,
        CAST(min(start_date) AS DATE) AS first_day,
        CAST(max(end_date) AS DATE) AS last_day
    FROM keyed
    GROUP BY term
)

SELECT
    _collection,
    _row,
    _file,
    _line,
    id,
    coalesce(term_name, first_day || ' - ' || last_day) AS name,
    if(last_day - first_day + 1 >= 240, 'schoolYear', 'term') AS type,
    CAST(first_day AS VARCHAR) AS start_date,
    CAST(last_day AS VARCHAR) AS end_date,
    CAST(year(last_day) + if(month(last_day) >= 7, 1, 0) AS VARCHAR) AS school_year
FROM terms
