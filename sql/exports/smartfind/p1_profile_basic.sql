-- P1ProfileBasic.csv: one record per exported person, in the vendor's 38 fields, then,
-- only where the option deactivate_leavers is on, one per leaver.
-- Source of each value: docs/reference/smartfind_express.md.
WITH sent AS (
  SELECT *, ledger_command('P', users_dcid, access_id) AS record_command,
    1 AS part, 'active' AS ledger_state
  FROM exported
),
-- Profiles at the vendor that nobody exported uses any more. Held people stay as they are.
leaving AS (
  SELECT key, identity, string_split(last_line, '|') AS f
  FROM ledger
  WHERE $deactivate_leavers AND record_type = 'P' AND state = 'active' AND is_current
    AND identity NOT IN (SELECT access_id FROM exported)
    AND key NOT IN (SELECT key FROM outcome WHERE action = 'hold')
),
-- Where the line last sent no longer exists, it is made from present data.
rebuilt AS (
  SELECT p.* REPLACE (l.identity AS access_id, false AS is_active),
    'C' AS record_command, 2 AS part, 'deactivated' AS ledger_state
  FROM leaving l
  JOIN population p ON CAST(p.users_dcid AS VARCHAR) = l.key
  WHERE l.f IS NULL AND p.first_name IS NOT NULL AND p.last_name IS NOT NULL
),
profiles AS (
  SELECT
    users_dcid, part, ledger_state,
    'P' AS record_type,
    record_command AS record_command,
    '1' AS record_number,
    access_id AS access,
    home_phone AS telephone,
    first_name AS first_name,
    last_name AS last_name,
    NULL AS address_line_1,
    NULL AS address_line_2,
    NULL AS city,
    NULL AS state,
    NULL AS zip,
    NULL AS external_id,
    NULL AS pin,
    NULL AS gender,
    NULL AS ethnicity,
    NULL AS language,
    email AS email_address,
    CASE WHEN is_substitute THEN 'N' ELSE 'Y' END AS is_employee,
    CASE WHEN is_active AND NOT is_substitute THEN 'Y' ELSE 'N' END AS employee_active,
    CASE
      WHEN is_substitute THEN NULL
      WHEN calendar IS NOT NULL THEN calendar
      WHEN NOT is_active OR record_command = 'A' THEN $default_calendar
    END AS emp_calendar_code,
    NULL AS emp_budget_code,
    NULL AS emp_is_itinerant,
    CASE WHEN is_substitute THEN 'Y' END AS is_sub,
    CASE WHEN is_substitute THEN (CASE WHEN is_active THEN 'Y' ELSE 'N' END) END AS sub_active,
    CASE WHEN is_substitute AND record_command = 'A' THEN 'Y' END AS sub_available,
    NULL AS sub_available_long_term,
    NULL AS sub_certified,
    NULL AS sub_available_general,
    NULL AS sub_callback_num,
    NULL AS sub_level,
    NULL AS sub_pay_rate,
    NULL AS sub_work_units,
    NULL AS sub_overlapping,
    NULL AS is_admin,
    NULL AS admin_active,
    NULL AS restricted,
    'Y' AS enable
  FROM (SELECT * FROM sent UNION ALL BY NAME SELECT * FROM rebuilt)
),
deactivated AS (
  SELECT
    CAST(key AS BIGINT) AS users_dcid, 2 AS part, 'deactivated' AS ledger_state,
    f[1] AS record_type,
    'C' AS record_command,
    f[3] AS record_number,
    identity AS access,
    f[5] AS telephone,
    f[6] AS first_name,
    f[7] AS last_name,
    f[8] AS address_line_1,
    f[9] AS address_line_2,
    f[10] AS city,
    f[11] AS state,
    f[12] AS zip,
    f[13] AS external_id,
    f[14] AS pin,
    f[15] AS gender,
    f[16] AS ethnicity,
    f[17] AS language,
    f[18] AS email_address,
    f[19] AS is_employee,
    CASE WHEN f[19] = 'Y' THEN 'N' ELSE f[20] END AS employee_active,
    f[21] AS emp_calendar_code,
    f[22] AS emp_budget_code,
    f[23] AS emp_is_itinerant,
    f[24] AS is_sub,
    CASE WHEN f[24] = 'Y' THEN 'N' ELSE f[25] END AS sub_active,
    NULL AS sub_available,
    f[27] AS sub_available_long_term,
    f[28] AS sub_certified,
    f[29] AS sub_available_general,
    f[30] AS sub_callback_num,
    f[31] AS sub_level,
    f[32] AS sub_pay_rate,
    f[33] AS sub_work_units,
    f[34] AS sub_overlapping,
    f[35] AS is_admin,
    f[36] AS admin_active,
    f[37] AS restricted,
    f[38] AS enable
  FROM leaving
  WHERE f IS NOT NULL
)
SELECT * FROM profiles UNION ALL BY NAME SELECT * FROM deactivated
