-- Every term of the school year that is current at a school, with the year's label. A
-- building that is excluded from state reporting has no terms here. Both ends count.
-- Rule: docs/reference/powerschool.md, current terms.
WITH dated AS (
    SELECT
        t.*, CAST(t.firstday AS DATE) AS first_day, CAST(t.lastday AS DATE) AS last_day
    FROM raw.powerschool.terms AS t
    JOIN raw.powerschool.schools AS s ON s.school_number = t.schoolid
    WHERE s.state_excludefromreporting = 0
),

candidates AS (
    SELECT *, $today BETWEEN first_day AND last_day AS is_running
    FROM dated
    WHERE isyearrec = 1
        AND first_day - CAST($lead_days AS INTEGER) <= $today
        AND $today <= last_day + CAST($tail_days AS INTEGER)
),

-- A running year comes first, then the one that begins last, then the highest DCID.
ranked AS (
    SELECT
        schoolid, yearid, abbreviation,
        row_number() OVER (PARTITION BY schoolid ORDER BY is_running DESC,
            CASE WHEN NOT is_running THEN first_day END DESC NULLS LAST,
            dcid DESC) AS place,
        count(*) OVER (PARTITION BY schoolid, is_running,
            CASE WHEN NOT is_running THEN first_day END) - 1 AS rivals
    FROM candidates
)

SELECT
    d.schoolid, d.id, d.first_day, d.last_day, r.rivals,
    CASE WHEN d.isyearrec = 1 THEN concat_ws(' ', 'Year', r.abbreviation)
        ELSE concat_ws(' ', d.abbreviation, r.abbreviation) END AS term_name
FROM dated AS d
JOIN ranked AS r ON r.schoolid = d.schoolid AND r.yearid = d.yearid AND r.place = 1
