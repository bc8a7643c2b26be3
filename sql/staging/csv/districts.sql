-- The districts that the schools name; one without a name has its id for a name.
-- Rule: docs/reference/csv_files.md, meaning.
SELECT
    min(_collection) AS _collection,
    min(_row) AS _row,
    arg_min(_file, _row) AS _file,
    arg_min(_line, _row) AS _line,
    district_id AS id,
    coalesce(min(district_name), district_id) AS name
FROM raw.schools
WHERE district_id IS NOT NULL
GROUP BY district_id
