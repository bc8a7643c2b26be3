-- Enrollments that are not written although the options choose them: those that lack
-- something, and of several with one user, class and role at one time all but the first.
WITH repeated AS (
  -- Hashes are grouped in place of identifiers: a fraction of the memory; what collides by
  -- chance falls out below.
  SELECT hash(user_id, class_id) AS pair
  FROM roster.enrollments
  GROUP BY pair
  HAVING count(*) > 1
),

ordered AS (
  SELECT
    id,
    sourced_id,
    begin_date,
    max(coalesce(end_date, DATE '9999-12-31')) OVER before AS ended,
    first(sourced_id) OVER before AS earlier
  FROM checked_enrollments
  WHERE lacks IS NULL AND hash(user_id, class_id) IN (SELECT pair FROM repeated)
  WINDOW before AS (
    PARTITION BY user_id, class_id, word
    ORDER BY begin_date NULLS FIRST, sourced_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  )
)

SELECT id, sourced_id, lacks FROM checked_enrollments WHERE lacks IS NOT NULL
UNION ALL
SELECT id, sourced_id, 'userSourcedId: the same enrollment as ' || earlier
FROM ordered
WHERE coalesce(begin_date, DATE '0001-01-01') < ended
