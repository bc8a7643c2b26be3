-- The one rule for which school year is current: every term of it, per building that the
-- roster keeps. $today is a calendar date of the district; both ends are inclusive.
-- Rule: docs/reference/powerschool.md, current terms.
WITH dated AS (
    SELECT
        t.*,
        CAST(t.firstday AS DATE) AS first_day,
        CAST(t.lastday AS DATE) AS last_day
    FROM raw.terms AS t
    JOIN raw.buildings AS b ON b.school_number = t.schoolid AND b.is_kept
),

candidates AS (
    SELECT *, $today BETWEEN first_day AND last_day AS is_running
    FROM dated
    WHERE isyearrec = 1
        AND first_day - $lead_days <= $today
        AND $today <= last_day + $tail_days
),

-- A running year comes first, then the one that begins last, then the highest DCID.
ranked AS (
    SELECT
        schoolid, yearid, abbreviation, last_day,
        row_number() OVER (PARTITION BY schoolid ORDER BY is_running DESC,
            CASE WHEN NOT is_running THEN first_day END DESC NULLS LAST,
            dcid DESC) AS place,
        count(*) OVER (PARTITION BY schoolid, is_running,
            CASE WHEN NOT is_running THEN first_day END) - 1 AS rivals
    FROM candidates
)

SELECT
    d._row AS origin_row, d.dcid, d.schoolid, d.id, d.yearid, d.isyearrec, d.portion, d.name,
    d.first_day, d.last_day,
    d.schoolid || '-' || d.id AS external_id,
    r.abbreviation AS year_label,
    year(r.last_day) AS school_year,
    r.rivals
FROM dated AS d
JOIN ranked AS r ON r.schoolid = d.schoolid AND r.yearid = d.yearid AND r.place = 1
ORDER BY d.schoolid, d.id
