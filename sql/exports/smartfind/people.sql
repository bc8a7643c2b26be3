-- Everybody that SmartFind Express is about, with the values that rules and files need.
-- One row per person with an e-mail; the rules in mappings/targets/smartfind.yaml then
-- say who is exported. Source of each value: docs/reference/smartfind_express.md.
WITH boxes AS (
  -- A check box is ticked by 1, Y, T, TRUE or YES in any case; all else is not.
  SELECT *,
    list_transform(
      [
        time1_monday, time1_tuesday, time1_wednesday, time1_thursday, time1_friday,
        time2_monday, time2_tuesday, time2_wednesday, time2_thursday, time2_friday,
        contractemp, custom_times
      ],
      lambda box: coalesce(upper(trim(box)) IN ('1', 'Y', 'T', 'TRUE', 'YES'), false)
    ) AS ticks,
    ticks[1:5] AS week_1,
    ticks[6:10] AS week_2
  FROM raw.powerschool.smartfind_staff
)
SELECT
  users_dcid,
  email_addr AS email,
  first_name,
  last_name,
  home_phone,
  homeschoolid,
  home_row_schoolid,
  status,
  active_elsewhere,
  coalesce(homeschoolid = $sub_building, false) AS is_substitute,
  coalesce(status = 1, false) OR ($active_rule = 'any' AND active_elsewhere = 1) AS is_active,
  nullif(trim(teachernumber), '') IS NOT NULL AS has_number,
  teachernumber <> trim(teachernumber) AS is_number_padded,
  -- 1 to 9 significant digits; the vendor refuses leading zeros.
  CASE WHEN regexp_full_match(trim(teachernumber), '0*[1-9][0-9]{0,8}')
    THEN ltrim(trim(teachernumber), '0') END AS access_id,
  ticks[11] AS is_contract,
  calendar,
  sfe_position,
  ticks[12] AS has_custom_times,
  start_time,
  end_time,
  am_time,
  pm_time,
  start_time_2,
  end_time_2,
  am_time_2,
  pm_time_2,
  -- Seven letters, weekend outside: Monday to Friday are in the middle.
  'N' || array_to_string(list_transform(week_1, lambda d: if(d, 'Y', 'N')), '') || 'N' AS days_1,
  'N' || array_to_string(list_transform(week_2, lambda d: if(d, 'Y', 'N')), '') || 'N' AS days_2,
  homeschoolid IS DISTINCT FROM $sub_building
    AND trim(sfe_position) <> '' AND trim(start_time) <> '' AND trim(end_time) <> '' AS has_schedule,
  list_contains(week_2, true) AS has_schedule_2,
  coalesce(trim(start_time_2) <> '' AND trim(end_time_2) <> '', false) AS has_times_2,
  list_contains(list_transform(list_zip(week_1, week_2), lambda d: d[1] AND d[2]), true) AS has_overlap
FROM boxes
