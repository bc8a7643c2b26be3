-- E1PlusEmployeeWorkSchedule.csv: none, one or two schedules per exported employee.
-- Fields 7 and 11 are constants whose meaning the vendor does not publish.
WITH schedules AS (
  SELECT users_dcid, access_id, homeschoolid, sfe_position, has_custom_times,
    1 AS schedule_order, start_time, end_time, am_time, pm_time,
    CASE
      WHEN has_schedule_2 THEN days_1
      WHEN $single_schedule_days = 'from_boxes' AND days_1 <> 'NNNNNNN' THEN days_1
      ELSE 'NYYYYYN'
    END AS work_days
  FROM exported
  WHERE has_schedule
  UNION ALL BY NAME
  SELECT users_dcid, access_id, homeschoolid, sfe_position, has_custom_times,
    2 AS schedule_order, start_time_2 AS start_time, end_time_2 AS end_time,
    am_time_2 AS am_time, pm_time_2 AS pm_time, days_2 AS work_days
  FROM exported
  WHERE has_schedule AND has_schedule_2 AND has_times_2
)
SELECT
  users_dcid,
  'E' AS record_type,
  ledger_command(
    'E', users_dcid || '/' || schedule_order, access_id || '/' || schedule_order
  ) AS record_command,
  '1' AS record_number,
  access_id AS access,
  schedule_order,
  homeschoolid AS location,
  '1' AS constant_7,
  sfe_position AS classification,
  start_time,
  end_time,
  'N' AS constant_11,
  work_days,
  am_time AS am_half_end,
  pm_time AS pm_half_start,
  CASE WHEN has_custom_times THEN 'Y' ELSE 'N' END AS custom_times
FROM schedules
