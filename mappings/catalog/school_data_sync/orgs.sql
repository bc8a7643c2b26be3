-- The district and its schools; the parent only where it is in the file.
SELECT
  o.external_id AS sourced_id,
  o.name,
  o.org_type AS type,
  p.external_id AS parent
FROM roster.orgs o
LEFT JOIN roster.orgs p ON p.id = o.parent_id
