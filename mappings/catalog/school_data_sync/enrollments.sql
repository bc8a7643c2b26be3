-- Students and teachers of the classes in the file, on this day.
SELECT DISTINCT c.sourced_id AS class_id, p.sourced_id AS user_id, e.role
FROM roster.enrollments e
JOIN sds_classes c ON c.id = e.class_id AND c.title IS NOT NULL
JOIN sds_people p ON p.id = e.user_id AND p.username IS NOT NULL
WHERE e.role IN ('student', 'teacher')
  AND coalesce(e.begin_date <= $today, true)
  AND coalesce(e.end_date > $today, true)
