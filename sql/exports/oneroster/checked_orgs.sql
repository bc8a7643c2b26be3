-- Every org of the roster: its identifier in the set, whether the options choose it, and
-- what it lacks. In the set is what is chosen and lacks nothing. With `schools` these are
-- the orgs named and what is below them (inside), and what is above.
-- Rule: docs/reference/oneroster_export.md, closed sets.
WITH RECURSIVE named AS (
  SELECT id
  FROM roster.orgs
  WHERE len(CAST($schools AS VARCHAR[])) = 0
    OR list_contains(CAST($schools AS VARCHAR[]), external_id)
    OR list_contains(CAST($schools AS VARCHAR[]), sis_id)
),

above AS (
  SELECT id FROM named
  UNION
  SELECT o.parent_id
  FROM above
  JOIN roster.orgs o ON o.id = above.id
  WHERE o.parent_id IS NOT NULL
),

below AS (
  SELECT id FROM named
  UNION
  SELECT o.id
  FROM below
  JOIN roster.orgs o ON o.parent_id = below.id
),

ways_up AS (
  SELECT id AS origin, parent_id AS place FROM roster.orgs WHERE parent_id IS NOT NULL
  UNION
  SELECT w.origin, o.parent_id
  FROM ways_up w
  JOIN roster.orgs o ON o.id = w.place
  WHERE o.parent_id IS NOT NULL
),

checked AS (
  SELECT
    id,
    CASE WHEN $sourced_id = 'internal' THEN CAST(id AS VARCHAR) ELSE external_id END
      AS sourced_id,
    org_type,
    parent_id,
    id IN (SELECT id FROM below) AS is_inside,
    id IN (SELECT id FROM below) OR id IN (SELECT id FROM above) AS is_chosen,
    CASE
      WHEN NOT coalesce(regexp_matches(name, '[\pL\pN\pP\pS]'), false) THEN 'name: blank'
      WHEN org_type NOT IN (
        'department', 'school', 'district', 'local', 'state', 'national'
      ) AND ($version = '1.1' OR NOT regexp_full_match(org_type, 'ext:.+'))
        THEN 'type: not a word of this version'
    END AS lacks
  FROM roster.orgs
)

SELECT
  c.id,
  c.sourced_id,
  c.org_type,
  p.sourced_id AS parent,
  c.parent_id IS NOT NULL AND p.id IS NULL AS has_lost_parent,
  c.is_inside,
  c.is_chosen,
  c.lacks,
  c.is_chosen AND c.lacks IS NULL AS is_in
FROM checked c
LEFT JOIN checked p
  ON p.id = c.parent_id
  AND p.is_chosen
  AND p.lacks IS NULL
  AND c.id NOT IN (SELECT origin FROM ways_up WHERE origin = place)
