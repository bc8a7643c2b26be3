-- Staff of the roster: one row per person with an e-mail address and building where the
-- person is current (STATUS 1), ordered by person and building.
SELECT
  CAST(u.DCID AS NUMBER(18)) AS users_dcid,
  CAST(ss.SCHOOLID AS NUMBER(18)) AS schoolid,
  CAST(ss.STAFFSTATUS AS NUMBER(18)) AS staffstatus,
  CAST(u.HOMESCHOOLID AS NUMBER(18)) AS homeschoolid,
  u.EMAIL_ADDR AS email_addr,
  u.TEACHERNUMBER AS teachernumber,
  u.TEACHERLOGINID AS teacherloginid,
  u.FIRST_NAME AS first_name,
  u.MIDDLE_NAME AS middle_name,
  u.LAST_NAME AS last_name,
  u.TITLE AS title,
  u.SIF_STATEPRID AS sif_stateprid
FROM USERS u
JOIN SCHOOLSTAFF ss ON ss.USERS_DCID = u.DCID AND ss.STATUS = 1
WHERE TRIM(u.EMAIL_ADDR) IS NOT NULL
ORDER BY u.DCID, ss.SCHOOLID
