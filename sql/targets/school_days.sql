-- First and last days of school years and terms, from the terms of the roster.
-- Read by d118_pipelines/targets/school_days.py; {{terms}} is the relation or file. The
-- end of a term in the roster is the day after its last.

-- name: school_year
-- As the roster says, else from the first to the last day of the terms of one year.
SELECT start_date, end_date - 1 FROM {{terms}} WHERE type = 'schoolYear'
UNION ALL
SELECT min(start_date), max(end_date) - 1
FROM {{terms}}
WHERE NOT EXISTS (SELECT 1 FROM {{terms}} WHERE type = 'schoolYear')
GROUP BY coalesce(school_year, year(end_date - 1))

-- name: term
-- Grading periods only where there is nothing longer.
SELECT start_date, end_date - 1
FROM {{terms}}
WHERE
    type IN ('term', 'semester')
    OR (
        type = 'gradingPeriod'
        AND NOT EXISTS (SELECT 1 FROM {{terms}} WHERE type IN ('term', 'semester'))
    )
