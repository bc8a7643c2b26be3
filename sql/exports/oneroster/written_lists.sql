-- The lists of courses, classes and users as they are written: no comma, blank or empty
-- element inside, grades of the vocabulary, subjects only together with their codes.
-- Rule: docs/reference/oneroster_export.md, lists.
WITH given AS (
  SELECT
    c.id,
    'courses' AS file,
    c.grades,
    c.grade_level,
    c.subjects,
    c.subject_codes,
    CAST(NULL AS VARCHAR) AS periods,
    CAST(NULL AS VARCHAR) AS period
  FROM roster.courses c
  JOIN checked_courses k ON k.id = c.id
  WHERE k.is_in
  UNION ALL
  SELECT
    c.id, 'classes', c.grades, c.grade_level, c.subjects, c.subject_codes, c.periods,
    c.period
  FROM roster.classes c
  JOIN checked_classes k ON k.id = c.id
  WHERE k.is_in
  UNION ALL
  SELECT u.id, 'users', u.grades, u.grade_level, NULL, NULL, NULL, NULL
  FROM roster.users u
  JOIN checked_users k ON k.id = u.id
  WHERE k.is_in AND (u.grades IS NOT NULL OR u.grade_level IS NOT NULL)
),

cleaned AS (
  SELECT
    id,
    file,
    grade_level,
    period,
    list_transform(
      from_json(
        COLUMNS(['grades', 'subjects', 'subject_codes', 'periods']), '["VARCHAR"]'
      ),
      lambda e: regexp_replace(
        nfc_normalize(replace(e, ',', '')), '^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
      )
    )
  FROM given
),

chosen AS (
  SELECT
    * EXCLUDE (grades, periods),
    coalesce(grades, [grade_level]) AS given_grades,
    list_filter(given_grades, lambda g, i: list_position(given_grades, g) = i AND g IN (
      'IT', 'PR', 'PK', 'TK', 'KG', '01', '02', '03', '04', '05', '06', '07', '08', '09',
      '10', '11', '12', '13', 'PS', 'UG', 'Other'
    )) AS grades,
    coalesce(periods, [replace(period, ',', '')]) AS given_periods,
    list_filter(
      given_periods, lambda p, i: list_position(given_periods, p) = i AND p <> ''
    ) AS periods,
    coalesce(
      len(subjects) = len(subject_codes)
        AND NOT list_contains(subjects, '')
        AND NOT list_contains(subject_codes, '')
        AND len(list_filter(subjects, lambda s: s IS NULL)) = 0
        AND len(list_filter(subject_codes, lambda s: s IS NULL)) = 0,
      false
    ) AS is_paired
  FROM cleaned
)

SELECT
  id,
  file,
  array_to_string(
    CASE WHEN file = 'users' AND $version <> '1.2.1' THEN grades[:1] ELSE grades END, ','
  ) AS grades,
  array_to_string(periods, ',') AS periods,
  CASE WHEN is_paired THEN array_to_string(subjects, ',') END AS subjects,
  CASE WHEN is_paired THEN array_to_string(subject_codes, ',') END AS subject_codes,
  len(list_filter(given_grades, lambda g: NOT list_contains(grades, g))) AS lost_grades,
  file = 'users' AND $version <> '1.2.1' AND len(grades) > 1 AS has_more_grades,
  NOT is_paired AND len(subjects) > 0 AS has_lost_subjects
FROM chosen
