-- Staff for SmartFind Express: one row per person with an e-mail address, ordered by
-- person, with the home row (see hr_records_staff.sql) and the district's HR data.
-- Buildings are excluded later, so that everybody left out can be reported.
-- Check boxes are read as text, whatever their column type. Times are not cast on
-- purpose: a type other than text fails the extract, because the format that the vendor
-- accepts is not published.
SELECT
  CAST(u.DCID AS NUMBER(18)) AS users_dcid,
  u.EMAIL_ADDR AS email_addr,
  u.TEACHERNUMBER AS teachernumber,
  u.FIRST_NAME AS first_name,
  u.LAST_NAME AS last_name,
  u.HOME_PHONE AS home_phone,
  CAST(u.HOMESCHOOLID AS NUMBER(18)) AS homeschoolid,
  CAST(ss.SCHOOLID AS NUMBER(18)) AS home_row_schoolid,
  CAST(ss.STATUS AS NUMBER(18)) AS status,
  CAST(
    CASE WHEN EXISTS (
      SELECT 1 FROM SCHOOLSTAFF o
      WHERE o.USERS_DCID = u.DCID AND o.STATUS = 1 AND o.SCHOOLID <> u.HOMESCHOOLID
    ) THEN 1 ELSE 0 END AS NUMBER(1)
  ) AS active_elsewhere,
  hr.CALENDAR AS calendar,
  CAST(hr.CONTRACTEMP AS VARCHAR2(10)) AS contractemp,
  hr.SFE_POSITION AS sfe_position,
  CAST(hr.CUSTOM_TIMES AS VARCHAR2(10)) AS custom_times,
  hr.START_TIME AS start_time,
  hr.END_TIME AS end_time,
  hr.AM_TIME AS am_time,
  hr.PM_TIME AS pm_time,
  hr.START_TIME_2 AS start_time_2,
  hr.END_TIME_2 AS end_time_2,
  hr.AM_TIME_2 AS am_time_2,
  hr.PM_TIME_2 AS pm_time_2,
  CAST(hr.TIME1_MONDAY AS VARCHAR2(10)) AS time1_monday,
  CAST(hr.TIME1_TUESDAY AS VARCHAR2(10)) AS time1_tuesday,
  CAST(hr.TIME1_WEDNESDAY AS VARCHAR2(10)) AS time1_wednesday,
  CAST(hr.TIME1_THURSDAY AS VARCHAR2(10)) AS time1_thursday,
  CAST(hr.TIME1_FRIDAY AS VARCHAR2(10)) AS time1_friday,
  CAST(hr.TIME2_MONDAY AS VARCHAR2(10)) AS time2_monday,
  CAST(hr.TIME2_TUESDAY AS VARCHAR2(10)) AS time2_tuesday,
  CAST(hr.TIME2_WEDNESDAY AS VARCHAR2(10)) AS time2_wednesday,
  CAST(hr.TIME2_THURSDAY AS VARCHAR2(10)) AS time2_thursday,
  CAST(hr.TIME2_FRIDAY AS VARCHAR2(10)) AS time2_friday
FROM USERS u
LEFT JOIN SCHOOLSTAFF ss ON ss.USERS_DCID = u.DCID AND ss.SCHOOLID = u.HOMESCHOOLID
LEFT JOIN U_HUMANRESOURCES hr ON hr.USERSDCID = u.DCID
WHERE u.EMAIL_ADDR IS NOT NULL
ORDER BY u.DCID
