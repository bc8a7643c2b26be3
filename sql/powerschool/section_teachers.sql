-- Everybody who teaches or helps in a section of the three newest school years, with
-- the person behind TEACHERID and the role, ordered by ID.
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
  CAST(ss.USERS_DCID AS NUMBER(18)) AS users_dcid,
  d.ROLEKEY AS rolekey,
  d.NAME AS role_name,
  st.START_DATE AS start_date,
  st.END_DATE AS end_date
FROM SECTIONTEACHER st
JOIN SECTIONS s ON s.ID = st.SECTIONID
JOIN TERMS t ON t.SCHOOLID = s.SCHOOLID AND t.ID = s.TERMID
JOIN recent r ON r.SCHOOLID = t.SCHOOLID AND r.YEARID = t.YEARID
LEFT JOIN SCHOOLSTAFF ss ON ss.ID = st.TEACHERID
LEFT JOIN ROLEDEF d ON d.ID = st.ROLEID
ORDER BY st.ID
