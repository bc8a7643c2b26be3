-- Terms, and the school year of the settings in place of a term that is missing or has
-- no dates. `end_date` is the last day. Rule: docs/reference/clever_api.md.
WITH received AS (
    SELECT
        _collection, _row, id, name, false AS is_substitute,
        try_cast(start_date[:10] AS DATE) AS first_day,
        try_cast(end_date[:10] AS DATE) AS last_day
    FROM (
        SELECT _collection, _row, unnest(json_transform(record, '{"id": "VARCHAR",
            "name": "VARCHAR", "start_date": "VARCHAR", "end_date": "VARCHAR"}'))
        FROM raw.terms)
    UNION ALL
    SELECT
        _collection, _row, record ->> '$.id', NULL, true,
        CAST(record ->> '$.start_date' AS DATE), CAST(record ->> '$.end_date' AS DATE)
    FROM raw.school_year
)

SELECT
    _collection,
    _row,
    id,
    coalesce(nullif(trim(name), ''), first_day || ' - ' || last_day) AS name,
    if(is_substitute OR last_day - first_day + 1 >= 240, 'schoolYear', 'term') AS type,
    CAST(first_day AS VARCHAR) AS start_date,
    CAST(last_day AS VARCHAR) AS end_date,
    year(last_day) + if(month(last_day) >= 7, 1, 0) AS school_year
FROM received
-- A term without both dates is not staged: its sections are in the substitute.
WHERE first_day IS NOT NULL AND last_day IS NOT NULL
