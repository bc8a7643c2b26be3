-- Every class of the roster: identifier, partners, first and last day, whether it is
-- chosen, what it lacks. Chosen are classes of the schools chosen with a term in the
-- window, and with `grades` only those that have a student of these grades.
-- Rule: docs/reference/oneroster_export.md, closed sets.
WITH terms AS (
  SELECT
    k.class_id,
    list(t.sourced_id ORDER BY t.sourced_id) FILTER (t.is_in) AS listed,
    min(t.start_date) FILTER (t.is_in) AS first_day,
    max(t.end_date) FILTER (t.is_in) AS end_day,
    bool_or(t.is_in_window) AS is_in_window
  FROM roster.class_terms k
  JOIN checked_terms t ON t.id = k.term_id
  GROUP BY k.class_id
),

pupils AS (
  SELECT id
  FROM roster.users
  WHERE len(CAST($grades AS VARCHAR[])) > 0
    AND list_has_any(
      CAST($grades AS VARCHAR[]),
      coalesce(from_json(grades, '["VARCHAR"]'), [grade_level])
    )
),

of_grades AS (
  SELECT DISTINCT e.class_id
  FROM roster.enrollments e
  JOIN pupils p ON p.id = e.user_id
  WHERE e.role = 'student'
)

SELECT
  *,
  is_chosen AND lacks IS NULL AS is_in
FROM (
  SELECT
    c.id,
    CASE WHEN $sourced_id = 'internal' THEN CAST(c.id AS VARCHAR) ELSE c.external_id END
      AS sourced_id,
    o.sourced_id AS school,
    m.sourced_id AS course,
    array_to_string(t.listed, ',') AS terms,
    t.first_day,
    t.end_day,
    coalesce(o.is_chosen, true)
      AND coalesce(t.is_in_window, true)
      AND (len(CAST($grades AS VARCHAR[])) = 0 OR g.class_id IS NOT NULL) AS is_chosen,
    CASE
      WHEN NOT coalesce(regexp_matches(c.name, '[\pL\pN\pP\pS]'), false)
        THEN 'title: blank'
      WHEN o.id IS NULL THEN 'schoolSourcedId: not in the roster'
      WHEN o.lacks IS NOT NULL THEN 'schoolSourcedId: ' || o.sourced_id || ' is left out'
      WHEN o.org_type <> 'school'
        THEN 'schoolSourcedId: ' || o.sourced_id || ' is not of type school'
      WHEN c.course_id IS NULL THEN 'courseSourcedId: none'
      WHEN m.id IS NULL THEN 'courseSourcedId: not in the roster'
      WHEN NOT m.is_chosen THEN 'courseSourcedId: ' || m.sourced_id || ' is of no school chosen'
      WHEN NOT m.is_in THEN 'courseSourcedId: ' || m.sourced_id || ' is left out'
      WHEN t.class_id IS NULL THEN 'termSourcedIds: none in the roster'
      WHEN t.listed IS NULL THEN 'termSourcedIds: all are left out'
    END AS lacks
  FROM roster.classes c
  LEFT JOIN checked_orgs o ON o.id = c.school_id
  LEFT JOIN checked_courses m ON m.id = c.course_id
  LEFT JOIN terms t ON t.class_id = c.id
  LEFT JOIN of_grades g ON g.class_id = c.id
)
