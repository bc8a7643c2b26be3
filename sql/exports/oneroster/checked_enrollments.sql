-- Enrollments that the options choose, as they would be written, and what each lacks. The
-- school is that of the class; dates end where the terms of the class end.
-- Rule: docs/reference/oneroster_export.md, enrollments.
WITH own_words AS (
  SELECT
    split_part(substr(pair, 13), '=', 1) AS word,
    split_part(pair, '=', 2) AS written
  FROM (SELECT unnest(CAST($role_map AS VARCHAR[])) AS pair)
  WHERE starts_with(pair, 'enrollments.')
),

joined AS (
  SELECT
    e.id,
    CASE WHEN $sourced_id = 'internal' THEN CAST(e.id AS VARCHAR) ELSE e.external_id END
      AS sourced_id,
    e.class_id,
    e.user_id,
    c.sourced_id AS class,
    c.school,
    u.sourced_id AS person,
    u.kind,
    coalesce(w.written, e.role) AS word,
    e.is_primary,
    CASE WHEN e.begin_date < c.first_day THEN c.first_day ELSE e.begin_date END AS begin_date,
    CASE WHEN e.end_date > c.end_day THEN c.end_day ELSE e.end_date END AS end_date,
    coalesce(e.begin_date < c.first_day OR e.end_date > c.end_day, false) AS is_cut,
    e.updated_at,
    c.id AS known_class,
    c.lacks AS class_lacks,
    u.id AS known_user,
    u.lacks AS user_lacks,
    u.has_student,
    u.has_staff
  FROM roster.enrollments e
  LEFT JOIN checked_classes c ON c.id = e.class_id
  LEFT JOIN checked_users u ON u.id = e.user_id
  LEFT JOIN own_words w ON w.word = e.role
  WHERE coalesce(c.is_chosen, true) AND coalesce(u.is_chosen, true)
)

SELECT
  id,
  sourced_id,
  class_id,
  user_id,
  class,
  school,
  person,
  kind,
  word,
  CASE WHEN word = 'teacher' THEN is_primary END AS is_primary,
  begin_date,
  end_date,
  is_cut,
  updated_at,
  CASE
    WHEN known_class IS NULL THEN 'classSourcedId: not in the roster'
    WHEN class_lacks IS NOT NULL THEN 'classSourcedId: ' || class || ' is left out'
    WHEN known_user IS NULL THEN 'userSourcedId: not in the roster'
    WHEN user_lacks IS NOT NULL THEN 'userSourcedId: ' || person || ' is left out'
    WHEN word NOT IN ('administrator', 'proctor', 'student', 'teacher')
      AND ($version = '1.1' OR NOT regexp_full_match(word, 'ext:.+')) THEN 'role: ' || word
    WHEN word = 'student' AND NOT has_student
      THEN 'userSourcedId: ' || person || ' is written without the role student'
    WHEN word = 'teacher' AND NOT has_staff
      THEN 'userSourcedId: ' || person || ' is written without a role of staff'
    WHEN end_date <= begin_date THEN 'endDate: not after beginDate'
  END AS lacks
FROM joined
