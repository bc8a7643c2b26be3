-- The roles that can be written: one for each user, org and word, exactly one of them the
-- primary one of its user and org. Rule: docs/reference/oneroster_export.md, roles.
SELECT
  *,
  row_number() OVER (
    PARTITION BY user_id, org_id ORDER BY was_primary DESC, word
  ) = 1 AS is_primary
FROM (
  SELECT
    user_id,
    org_id,
    any_value(org) AS org,
    written AS word,
    bool_or(coalesce(is_primary, false)) AS was_primary,
    CASE WHEN bool_or(begin_date IS NULL) THEN NULL ELSE min(begin_date) END AS begin_date,
    CASE WHEN bool_or(end_date IS NULL) THEN NULL ELSE max(end_date) END AS end_date
  FROM checked_roles
  WHERE is_chosen AND lacks IS NULL
  GROUP BY user_id, org_id, written
)
