-- users.csv. The ids are those of the roster's list, then the numbers that it lacks; a
-- student number that is the identifier as well is not written twice.
-- Rule: docs/reference/oneroster_export.md, users.
WITH agents AS (
  SELECT a.user_id, string_agg(k.sourced_id, ',' ORDER BY k.sourced_id) AS listed
  FROM roster.user_agents a
  JOIN checked_users k ON k.id = a.agent_id
  WHERE k.is_in AND a.agent_id <> a.user_id
  GROUP BY a.user_id
),

given AS (
  SELECT
    id,
    coalesce(
      from_json(user_ids, '[{"type": "VARCHAR", "identifier": "VARCHAR"}]'), []
    ) AS ids,
    list_concat(ids, list_filter(
      [
        {
          'type': 'studentNumber',
          'identifier': nullif(student_number, coalesce(identifier, ''))
        },
        {'type': 'staffId', 'identifier': staff_id},
        {'type': 'stateId', 'identifier': state_id}
      ],
      lambda n: len(list_filter(ids, lambda i: i.type = n.type)) = 0
    )) AS numbers
  FROM roster.users
),

listed AS (
  SELECT
    id,
    list_transform(numbers, lambda n: '{' || nullif(regexp_replace(
      nfc_normalize(n.type), '[{}:,]|^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
    ), '') || ':' || nullif(regexp_replace(
      left(nfc_normalize(n.identifier), 255), '[{},]|^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
    ), '') || '}') AS ids
  FROM given
),

texts AS (
  SELECT
    id,
    nullif(regexp_replace(
      left(nfc_normalize(COLUMNS([
        'username', 'email', 'first_name', 'middle_name', 'last_name',
        'preferred_first_name', 'preferred_middle_name', 'preferred_last_name', 'pronouns',
        'identifier', 'master_identifier', 'phone', 'sms'
      ])), 255),
      '^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
    ), '')
  FROM roster.users
)

SELECT
  u.* EXCLUDE (
    username, email, first_name, middle_name, last_name, preferred_first_name,
    preferred_middle_name, preferred_last_name, pronouns, identifier, master_identifier,
    phone, sms, grades
  ),
  t.* EXCLUDE (id, username),
  coalesce(t.username, t.email, t.identifier, k.sourced_id) AS username,
  k.sourced_id,
  k.kind,
  k.home,
  array_to_string(k.orgs, ',') AS orgs,
  k.word,
  CASE WHEN u.status = 'active' AND u.enabled IS NOT false THEN 'true' ELSE 'false' END
    AS is_enabled,
  array_to_string(list_filter(
    i.ids, lambda e, n: e IS NOT NULL AND list_position(i.ids, e) = n
  ), ',') AS written_ids,
  a.listed AS agents,
  l.grades,
  u.updated_at AS modified_at
FROM roster.users u
JOIN checked_users k ON k.id = u.id
JOIN texts t ON t.id = u.id
JOIN listed i ON i.id = u.id
LEFT JOIN agents a ON a.user_id = u.id
LEFT JOIN written_lists l ON l.id = u.id AND l.file = 'users'
WHERE k.is_in
