-- Every course of the roster: identifier, org, whether it is chosen, what it lacks. A
-- course without a school belongs to the district, if the set has exactly one.
-- Rule: docs/reference/oneroster_export.md, closed sets.
WITH district AS (
  SELECT CASE WHEN count(*) = 1 THEN any_value(id) END AS id
  FROM checked_orgs
  WHERE is_in AND org_type = 'district'
),

placed AS (
  SELECT c.*, coalesce(c.school_id, district.id) AS org_id
  FROM roster.courses c
  CROSS JOIN district
)

SELECT
  *,
  is_chosen AND lacks IS NULL AS is_in
FROM (
  SELECT
    c.id,
    CASE WHEN $sourced_id = 'internal' THEN CAST(c.id AS VARCHAR) ELSE c.external_id END
      AS sourced_id,
    o.sourced_id AS org,
    y.sourced_id AS school_year,
    c.school_year_id IS NOT NULL AND y.id IS NULL AS has_lost_year,
    coalesce(o.is_chosen, true) AS is_chosen,
    CASE
      WHEN NOT coalesce(regexp_matches(c.name, '[\pL\pN\pP\pS]'), false)
        THEN 'title: blank'
      WHEN c.org_id IS NULL THEN 'orgSourcedId: none'
      WHEN o.id IS NULL THEN 'orgSourcedId: not in the roster'
      WHEN o.lacks IS NOT NULL THEN 'orgSourcedId: ' || o.sourced_id || ' is left out'
    END AS lacks
  FROM placed c
  LEFT JOIN checked_orgs o ON o.id = c.org_id
  LEFT JOIN checked_terms y
    ON y.id = c.school_year_id AND y.is_in AND y.type = 'schoolYear'
)
