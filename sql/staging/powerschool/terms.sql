-- Terms of the current school years. The parent is the smallest longer term of the same
-- school and year that holds the term's days. Rule: docs/reference/powerschool.md.
SELECT
    'terms' AS _collection, t.origin_row AS _row, t.external_id AS id, coalesce(t.name, t.external_id) AS name,
    CASE WHEN t.portion = 1 THEN 'schoolYear' WHEN t.portion IN (2, 3) THEN 'semester'
        ELSE 'gradingPeriod' END AS type,
    t.school_year, t.first_day, t.last_day, CAST(t.schoolid AS VARCHAR) AS school,
    (
        SELECT arg_max(longer.external_id, (longer.portion, longer.id))
        FROM raw.current_terms AS longer
        WHERE longer.schoolid = t.schoolid AND longer.portion < t.portion
            AND longer.first_day <= t.first_day AND longer.last_day >= t.last_day
    ) AS parent
FROM raw.current_terms AS t
