-- Staff for HR Records: one row per person with an e-mail address, ordered by person.
-- The "home row" is the person's SCHOOLSTAFF row at the home building; a person without
-- one comes back with home_row_schoolid NULL instead of vanishing.
-- Integers are cast, because a bare NUMBER would reach the driver as a double.
SELECT
  CAST(u.DCID AS NUMBER(18)) AS users_dcid,
  u.EMAIL_ADDR AS email_addr,
  u.TEACHERNUMBER AS teachernumber,
  u.FIRST_NAME AS first_name,
  u.MIDDLE_NAME AS middle_name,
  u.LAST_NAME AS last_name,
  il.LEGAL_FIRST_NAME AS legal_first_name,
  il.LEGAL_LAST_NAME AS legal_last_name,
  CAST(u.HOMESCHOOLID AS NUMBER(18)) AS homeschoolid,
  CAST(ss.SCHOOLID AS NUMBER(18)) AS home_row_schoolid,
  CAST(ss.STATUS AS NUMBER(18)) AS status,
  CAST(ss.STAFFSTATUS AS NUMBER(18)) AS staffstatus,
  CAST(
    CASE WHEN EXISTS (
      SELECT 1 FROM SCHOOLSTAFF o
      WHERE o.USERS_DCID = u.DCID AND o.STATUS = 1 AND o.SCHOOLID <> u.HOMESCHOOLID
    ) THEN 1 ELSE 0 END AS NUMBER(1)
  ) AS active_elsewhere,
  u.HOME_PHONE AS home_phone,
  u.STREET AS street,
  u.CITY AS city,
  u.STATE AS state,
  u.ZIP AS zip,
  cf.DOB AS dob,
  cf.GENDER AS gender,
  hr.PERSONAL_EMAIL AS personal_email
FROM USERS u
LEFT JOIN SCHOOLSTAFF ss ON ss.USERS_DCID = u.DCID AND ss.SCHOOLID = u.HOMESCHOOLID
LEFT JOIN USERSCOREFIELDS cf ON cf.USERSDCID = u.DCID
LEFT JOIN U_HUMANRESOURCES hr ON hr.USERSDCID = u.DCID
LEFT JOIN S_IL_USR_X il ON il.USERSDCID = u.DCID
WHERE u.EMAIL_ADDR IS NOT NULL
ORDER BY u.DCID
