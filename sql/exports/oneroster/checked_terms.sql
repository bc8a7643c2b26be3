-- Every term of the roster: identifier, whether it is chosen, what it lacks. Chosen are
-- the terms that run in the window, those below them (the parts of such a year), all terms
-- of a class that has one in the window, and what is above any of these.
-- Rule: docs/reference/oneroster_export.md, window.
WITH RECURSIVE dated AS (
  SELECT
    t.*,
    start_date <= $today + CAST($lead_days AS INTEGER)
      AND end_date > $today - CAST($tail_days AS INTEGER) AS is_in_window
  FROM roster.terms t
  LEFT JOIN checked_orgs o ON o.id = t.school_id
  WHERE coalesce(o.is_chosen, true)
),

current_classes AS (
  SELECT DISTINCT k.class_id
  FROM roster.class_terms k
  JOIN dated d ON d.id = k.term_id
  WHERE d.is_in_window
),

below AS (
  SELECT id FROM dated WHERE is_in_window
  UNION
  SELECT d.id
  FROM below
  JOIN dated d ON d.parent_id = below.id
),

needed AS (
  SELECT id FROM below
  UNION
  SELECT k.term_id
  FROM roster.class_terms k
  JOIN current_classes c ON c.class_id = k.class_id
),

above AS (
  SELECT id FROM needed
  UNION
  SELECT d.parent_id
  FROM above
  JOIN dated d ON d.id = above.id
  WHERE d.parent_id IS NOT NULL
),

ways_up AS (
  SELECT id AS origin, parent_id AS place FROM dated WHERE parent_id IS NOT NULL
  UNION
  SELECT w.origin, d.parent_id
  FROM ways_up w
  JOIN dated d ON d.id = w.place
  WHERE d.parent_id IS NOT NULL
),

checked AS (
  SELECT
    t.id,
    CASE WHEN $sourced_id = 'internal' THEN CAST(t.id AS VARCHAR) ELSE t.external_id END
      AS sourced_id,
    t.type,
    t.start_date,
    t.end_date,
    t.parent_id,
    coalesce(d.is_in_window, false) AS is_in_window,
    d.id IS NOT NULL AND t.id IN (SELECT id FROM above) AS is_chosen,
    CASE
      WHEN NOT coalesce(regexp_matches(t.name, '[\pL\pN\pP\pS]'), false)
        THEN 'title: blank'
      WHEN t.type NOT IN ('gradingPeriod', 'semester', 'schoolYear', 'term')
        AND ($version = '1.1' OR NOT regexp_full_match(t.type, 'ext:.+'))
        THEN 'type: not a word of this version'
      WHEN t.start_date IS NULL THEN 'startDate: blank'
      WHEN t.end_date IS NULL THEN 'endDate: blank'
      WHEN t.end_date <= t.start_date THEN 'endDate: not after startDate'
    END AS lacks
  FROM roster.terms t
  LEFT JOIN dated d ON d.id = t.id
)

SELECT
  c.id,
  c.sourced_id,
  c.type,
  c.start_date,
  c.end_date,
  p.sourced_id AS parent,
  c.parent_id IS NOT NULL AND p.id IS NULL AS has_lost_parent,
  c.is_in_window,
  c.is_chosen,
  c.lacks,
  c.is_chosen AND c.lacks IS NULL AS is_in
FROM checked c
LEFT JOIN checked p
  ON p.id = c.parent_id
  AND p.is_chosen
  AND p.lacks IS NULL
  AND c.id NOT IN (SELECT origin FROM ways_up WHERE origin = place)
