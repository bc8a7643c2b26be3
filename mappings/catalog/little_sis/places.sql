-- One row for each student and class, on this day; the class with its primary teacher.
WITH on_this_day AS (
  SELECT class_id, user_id, role, is_primary
  FROM roster.enrollments
  WHERE coalesce(begin_date <= $today, true) AND coalesce(end_date > $today, true)
),
taught AS (
  SELECT e.class_id, nullif(trim(u.email), '') AS teacher_email
  FROM on_this_day e
  JOIN roster.users u ON u.id = e.user_id AND u.status = 'active'
  WHERE e.role = 'teacher'
  QUALIFY row_number() OVER (
    PARTITION BY e.class_id
    ORDER BY coalesce(e.is_primary, false) DESC, u.external_id
  ) = 1
),
class_years AS (
  SELECT l.class_id, max(t.school_year) AS school_year
  FROM roster.class_terms l
  JOIN roster.terms t ON t.id = l.term_id
  GROUP BY l.class_id
)
SELECT DISTINCT
  o.external_id AS school,
  coalesce(k.course_code, k.course_number) AS course,
  c.section_number AS section,
  c.external_id AS class_id,
  y.school_year,
  c.name AS class_name,
  c.period,
  c.room,
  p.teacher_email,
  s.external_id AS student_id,
  nullif(trim(s.email), '') AS student_email
FROM roster.classes c
JOIN roster.orgs o ON o.id = c.school_id
JOIN on_this_day e ON e.class_id = c.id AND e.role = 'student'
JOIN roster.users s ON s.id = e.user_id AND s.status = 'active'
JOIN taught p ON p.class_id = c.id
LEFT JOIN roster.courses k ON k.id = c.course_id
LEFT JOIN class_years y ON y.class_id = c.id
WHERE c.status = 'active' AND nullif(trim(s.email), '') IS NOT NULL
