-- What the ledger knows and today's files do not show, or show differently.
-- `known` and `state` are as the vendor's last import left them (docs/reference/delivery.md).
WITH active_profiles AS (
  SELECT l.*, o.code AS stopped_by, o.action, e.access_id AS access_id_now
  FROM ledger l
  LEFT JOIN outcome o ON o.key = l.key
  LEFT JOIN exported e ON CAST(e.users_dcid AS VARCHAR) = l.key
  WHERE l.record_type = 'P' AND l.state = 'active' AND l.is_current
)
SELECT 'left' AS code, key,
  'access id ' || identity || ': '
    || CASE WHEN access_id_now IS NOT NULL THEN 'access_id_changed'
            ELSE coalesce(stopped_by, 'not in the extract') END AS detail
FROM active_profiles
WHERE action IS DISTINCT FROM 'hold' AND identity NOT IN (SELECT access_id FROM exported)

UNION ALL
SELECT 'email_blanked', key, 'access id ' || identity
FROM active_profiles
JOIN raw.powerschool.staff_without_email b ON CAST(b.users_dcid AS VARCHAR) = key

UNION ALL
SELECT 'held_while_active', key, stopped_by FROM active_profiles WHERE action = 'hold'

UNION ALL
SELECT 'access_id_changed', e.users_dcid, min(l.identity) || ' to ' || e.access_id
FROM exported e
JOIN ledger l ON l.record_type = 'P' AND l.known AND l.key = CAST(e.users_dcid AS VARCHAR)
GROUP BY e.users_dcid, e.access_id
HAVING NOT bool_or(l.identity = e.access_id)

UNION ALL
SELECT 'access_id_taken_over', e.users_dcid, 'access id ' || e.access_id
FROM exported e
JOIN ledger l ON l.record_type = 'P' AND l.known AND l.identity = e.access_id
GROUP BY e.users_dcid, e.access_id
HAVING NOT bool_or(l.key = CAST(e.users_dcid AS VARCHAR))

UNION ALL
SELECT 'role_changed', e.users_dcid,
  CASE WHEN e.is_substitute THEN 'staff to substitute' ELSE 'substitute to staff' END
FROM exported e
JOIN ledger l ON l.record_type = 'P' AND l.key = CAST(e.users_dcid AS VARCHAR)
  AND l.identity = e.access_id
WHERE string_split(l.last_line, '|')[19] <> CASE WHEN e.is_substitute THEN 'N' ELSE 'Y' END

UNION ALL
SELECT 'stale_schedule', split_part(l.key, '/', 1),
  'access id ' || e.access_id || ', order ' || split_part(l.key, '/', 2)
FROM ledger l
JOIN exported e ON e.access_id = split_part(l.identity, '/', 1)
WHERE l.record_type = 'E' AND l.is_current
  AND l.identity NOT IN (SELECT _identity FROM e1_work_schedule)

UNION ALL
SELECT 'seed_covers_unsent', o.key, o.code
FROM outcome o
CROSS JOIN ledger_seed s
WHERE s.is_first AND ledger_command('P', o.key, NULL) = 'C'

UNION ALL
SELECT 'deactivation_impossible', key, 'access id ' || identity
FROM active_profiles
WHERE $deactivate_leavers AND last_line IS NULL AND action IS DISTINCT FROM 'hold'
  AND identity NOT IN (SELECT access_id FROM exported)
  AND identity NOT IN (SELECT access FROM p1_profile_basic)
