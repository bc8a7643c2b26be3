-- One row for each student, class of physical education and teacher of it, on this day.
WITH on_this_day AS (
  SELECT DISTINCT class_id, user_id, role
  FROM roster.enrollments
  WHERE coalesce(begin_date <= $today, true) AND coalesce(end_date > $today, true)
),
-- The end of a term in the roster is the day after its last.
class_days AS (
  SELECT l.class_id, min(t.start_date) AS first_day, max(t.end_date) - 1 AS last_day
  FROM roster.class_terms l
  JOIN roster.terms t ON t.id = l.term_id
  GROUP BY l.class_id
)
SELECT
  s.external_id AS student_id,
  c.external_id AS class_id,
  t.external_id AS teacher_id,
  o.external_id AS school,
  nullif(trim(s.student_number), '') AS student_number,
  nullif(trim(coalesce(s.preferred_first_name, s.first_name)), '') AS first_name,
  nullif(trim(coalesce(s.preferred_last_name, s.last_name)), '') AS last_name,
  s.birth_date,
  CASE WHEN TRY_CAST(s.grade_level AS INTEGER) > 0
    THEN CAST(CAST(s.grade_level AS INTEGER) AS VARCHAR) ELSE 'K' END AS grade,
  CASE lower(left(s.gender, 1)) WHEN 'm' THEN 'M' WHEN 'f' THEN 'F' END AS sex,
  nullif(trim(s.email), '') AS email,
  c.name AS class_name,
  d.first_day,
  d.last_day,
  nullif(trim(t.staff_id), '') AS staff_id,
  t.first_name AS teacher_first_name,
  t.last_name AS teacher_last_name,
  nullif(trim(t.email), '') AS teacher_email
FROM roster.classes c
JOIN roster.courses k ON k.id = c.course_id
JOIN roster.orgs o ON o.id = c.school_id
JOIN on_this_day es ON es.class_id = c.id AND es.role = 'student'
JOIN roster.users s ON s.id = es.user_id AND s.status = 'active'
JOIN on_this_day et ON et.class_id = c.id AND et.role = 'teacher'
JOIN roster.users t ON t.id = et.user_id AND t.status = 'active'
LEFT JOIN class_days d ON d.class_id = c.id
WHERE c.status = 'active'
  AND starts_with(upper(coalesce(k.course_code, k.course_number)), upper($course_prefix))
