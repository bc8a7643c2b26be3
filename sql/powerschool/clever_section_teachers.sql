-- Everybody who teaches or helps in a section of the three newest school years, with the
-- number of the role and whether the person has an e-mail address, ordered by ID.
-- section_teachers.sql has the names of the roles instead.
WITH recent AS (
  SELECT y.SCHOOLID, y.YEARID
  FROM TERMS y
  LEFT JOIN TERMS n
    ON n.SCHOOLID = y.SCHOOLID AND n.ISYEARREC = 1 AND n.YEARID > y.YEARID
  WHERE y.ISYEARREC = 1
  GROUP BY y.SCHOOLID, y.YEARID
  HAVING COUNT(DISTINCT n.YEARID) < 3
)
SELECT
  CAST(st.ID AS NUMBER(18)) AS id,
  CAST(st.SECTIONID AS NUMBER(18)) AS sectionid,
  CAST(st.ROLEID AS NUMBER(18)) AS roleid,
  CAST(ss.USERS_DCID AS NUMBER(18)) AS users_dcid,
  CAST(
    CASE WHEN TRIM(u.EMAIL_ADDR) IS NULL THEN 0 ELSE 1 END AS NUMBER(1)
  ) AS has_email,
  st.START_DATE AS start_date,
  st.END_DATE AS end_date
FROM SECTIONTEACHER st
JOIN SECTIONS s ON s.ID = st.SECTIONID
JOIN TERMS t ON t.SCHOOLID = s.SCHOOLID AND t.ID = s.TERMID
JOIN recent r ON r.SCHOOLID = t.SCHOOLID AND r.YEARID = t.YEARID
JOIN SCHOOLSTAFF ss ON ss.ID = st.TEACHERID
JOIN USERS u ON u.DCID = ss.USERS_DCID
ORDER BY st.ID
