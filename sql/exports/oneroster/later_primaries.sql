-- Primary teachers of a class that has another primary teacher at the time: only the first
-- is written as primary. Rule: docs/reference/oneroster_export.md, enrollments.
SELECT id
FROM (
  SELECT
    e.id,
    e.begin_date,
    max(coalesce(e.end_date, DATE '9999-12-31')) OVER (
      PARTITION BY e.class_id
      ORDER BY e.begin_date NULLS FIRST, e.sourced_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS ended
  FROM checked_enrollments e
  LEFT JOIN lost_enrollments l ON l.id = e.id
  WHERE e.is_primary AND l.id IS NULL
)
WHERE coalesce(begin_date, DATE '0001-01-01') < ended
