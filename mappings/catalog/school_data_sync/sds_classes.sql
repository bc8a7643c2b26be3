-- Classes at a school; a title is needed.
SELECT c.id, c.external_id AS sourced_id, o.external_id AS org_id,
  coalesce(nullif(trim(c.name), ''), c.class_code) AS title
FROM roster.classes c
JOIN roster.orgs o ON o.id = c.school_id
WHERE c.status = 'active'
