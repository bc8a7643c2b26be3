-- Every role of every user: the word of the version, whether it is chosen, what it lacks.
-- The words of `role_map` come first, then those of the version.
-- Rule: docs/reference/oneroster_export.md, roles.
WITH own_words AS (
  SELECT split_part(pair, '=', 1) AS word, split_part(pair, '=', 2) AS written
  FROM (SELECT unnest(CAST($role_map AS VARCHAR[])) AS pair)
),

district AS (
  SELECT CASE WHEN count(*) = 1 THEN any_value(id) END AS id
  FROM checked_orgs
  WHERE is_in AND org_type = 'district'
),

listed AS (
  SELECT
    r.user_id,
    r.position,
    r.role,
    coalesce(r.source_role, CASE r.role
      WHEN 'admin' THEN 'siteAdministrator'
      WHEN 'district_admin' THEN 'districtAdministrator'
      WHEN 'staff' THEN 'ext:staff'
      ELSE r.role
    END) AS word,
    coalesce(r.school_id, u.primary_school_id, district.id) AS org_id,
    r.is_primary,
    r.begin_date,
    r.end_date,
    (len(CAST($roles AS VARCHAR[])) = 0
      OR list_contains(CAST($roles AS VARCHAR[]), r.role))
    AND (len(CAST($grades AS VARCHAR[])) = 0 OR r.role <> 'student' OR list_has_any(
      CAST($grades AS VARCHAR[]),
      coalesce(from_json(u.grades, '["VARCHAR"]'), [u.grade_level])
    )) AS is_wanted
  FROM roster.user_roles r
  JOIN roster.users u ON u.id = r.user_id
  CROSS JOIN district
),

mapped AS (
  SELECT
    l.*,
    CASE
      WHEN $version = '1.1' AND coalesce(w.written, l.word) IN (
        'districtAdministrator', 'siteAdministrator', 'systemAdministrator', 'principal'
      ) THEN 'administrator'
      WHEN $version = '1.1' AND coalesce(w.written, l.word) = 'counselor' THEN 'aide'
      ELSE coalesce(w.written, l.word)
    END AS written
  FROM listed l
  LEFT JOIN own_words w ON w.word = l.word
),

worded AS (
  SELECT
    *,
    written IN ('aide', 'guardian', 'parent', 'proctor', 'relative', 'student', 'teacher')
    OR CASE
      WHEN $version = '1.1' THEN written = 'administrator'
      ELSE written IN (
        'counselor', 'districtAdministrator', 'principal', 'siteAdministrator',
        'systemAdministrator'
      ) OR regexp_full_match(written, 'ext:.+')
    END AS has_word
  FROM mapped
)

SELECT
  w.user_id,
  w.position,
  w.word,
  w.written,
  o.id AS org_id,
  o.sourced_id AS org,
  w.is_primary,
  w.begin_date,
  w.end_date,
  w.is_wanted AND coalesce(o.is_chosen, true) AS is_chosen,
  coalesce(o.is_inside, true) AS is_inside,
  w.has_word,
  -- 1.1 has no dates for roles: one that is over is not there.
  $version = '1.1' AND coalesce(w.end_date <= $today, false) AS has_ended,
  CASE
    WHEN NOT w.has_word THEN 'role: ' || w.word
    WHEN w.org_id IS NULL THEN 'orgSourcedId: none'
    WHEN o.id IS NULL THEN 'orgSourcedId: not in the roster'
    WHEN o.lacks IS NOT NULL THEN 'orgSourcedId: ' || o.sourced_id || ' is left out'
    WHEN w.end_date < w.begin_date THEN 'endDate: before beginDate'
    WHEN has_ended THEN 'endDate: the role has ended'
  END AS lacks
FROM worded w
LEFT JOIN checked_orgs o ON o.id = w.org_id
