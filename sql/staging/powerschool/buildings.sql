-- Buildings and their org: a building that is excluded from state
-- reporting is no org of its own when $state_exclude is true; its people belong to the
-- district then. Rule: docs/reference/powerschool.md, buildings.
SELECT
    s._row AS origin_row, s.school_number, s.name, s.low_grade, s.high_grade,
    s.schoolphone, s.schooladdress, s.schoolcity, s.schoolstate, s.schoolzip,
    s.principal, s.principalemail,
    NOT ($state_exclude AND coalesce(s.state_excludefromreporting, 0) = 1) AS is_kept,
    if(is_kept, CAST(s.school_number AS VARCHAR), $district_id) AS org
FROM raw.schools AS s
