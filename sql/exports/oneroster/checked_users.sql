-- Every user of the roster: identifier, home, orgs and word for 1.1, whether the user is
-- chosen, what is lacking. A contact goes with the students that name it: one whose
-- students are all outside of the set is outside as well.
-- Rule: docs/reference/oneroster_export.md, users.
WITH chosen AS (
  SELECT
    user_id,
    -- A role above the schools that the options name brings nobody in.
    bool_or(is_chosen AND is_inside AND NOT has_ended)
      OR bool_or(is_chosen AND is_inside) AND bool_and(has_ended) AS is_chosen,
    arg_min(lacks, position) FILTER (is_chosen) AS lacks
  FROM checked_roles
  GROUP BY user_id
),

written AS (
  SELECT
    w.user_id,
    any_value(w.org) FILTER (w.org_id = u.primary_school_id) AS home,
    list(DISTINCT w.org ORDER BY w.org) AS orgs,
    arg_min(w.word, CASE
      WHEN w.is_primary AND w.org_id = u.primary_school_id THEN 0
      ELSE list_position([
        'teacher', 'administrator', 'aide', 'proctor', 'student', 'guardian', 'parent',
        'relative'
      ], w.word)
    END) FILTER ($version = '1.1') AS word,
    count(DISTINCT w.word) AS words,
    bool_or(w.word = 'student') AS has_student,
    bool_or(w.word = 'teacher') AS has_teacher,
    bool_or(w.word NOT IN ('student', 'parent', 'guardian', 'relative')) AS has_staff
  FROM written_roles w
  JOIN roster.users u ON u.id = w.user_id
  GROUP BY w.user_id
),

checked AS (
  SELECT
    u.id,
    CASE WHEN $sourced_id = 'internal' THEN CAST(u.id AS VARCHAR) ELSE u.external_id END
      AS sourced_id,
    u.updated_at,
    w.home,
    list_concat([w.home], list_filter(w.orgs, lambda o: o IS DISTINCT FROM w.home)) AS orgs,
    w.word,
    w.words,
    CASE WHEN $version = '1.1' THEN w.word = 'student' ELSE w.has_student END
      AS has_student,
    CASE
      WHEN $version = '1.1' THEN w.word NOT IN ('student', 'parent', 'guardian', 'relative')
      ELSE w.has_staff
    END AS has_staff,
    CASE
      WHEN w.has_student THEN 'student'
      WHEN w.has_teacher THEN 'teacher'
      WHEN w.has_staff THEN 'staff'
      ELSE 'contact'
    END AS kind,
    coalesce(c.is_chosen, true) AS is_chosen,
    CASE
      WHEN NOT coalesce(regexp_matches(u.first_name, '[\pL\pN\pP\pS]'), false)
        THEN 'givenName: blank'
      WHEN NOT coalesce(regexp_matches(u.last_name, '[\pL\pN\pP\pS]'), false)
        THEN 'familyName: blank'
      WHEN w.user_id IS NULL THEN coalesce(c.lacks, 'roles: none')
    END AS lacks
  FROM roster.users u
  LEFT JOIN chosen c ON c.user_id = u.id
  LEFT JOIN written w ON w.user_id = u.id
),

named_by AS (
  SELECT
    a.agent_id,
    coalesce(bool_or(s.is_chosen AND s.lacks IS NULL), false) AS is_needed
  FROM roster.user_agents a
  LEFT JOIN checked s ON s.id = a.user_id
  GROUP BY a.agent_id
)

SELECT
  *,
  is_chosen AND lacks IS NULL AS is_in
FROM (
  SELECT
    c.* EXCLUDE (is_chosen, orgs),
    list_filter(c.orgs, lambda o: o IS NOT NULL) AS orgs,
    c.is_chosen AND (c.kind <> 'contact' OR coalesce(n.is_needed, true)) AS is_chosen
  FROM checked c
  LEFT JOIN named_by n ON n.agent_id = c.id
)
