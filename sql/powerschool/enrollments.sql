-- Enrollments (CC) of active and pre-registered students in the three newest school
-- years, ordered by DCID. A dropped class has SECTIONID and TERMID negated; it comes as it
-- is. DATELEFT is the day after the last one.
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
  CAST(c.DCID AS NUMBER(18)) AS dcid,
  CAST(st.DCID AS NUMBER(18)) AS students_dcid,
  CAST(c.SECTIONID AS NUMBER(18)) AS sectionid,
  c.DATEENROLLED AS dateenrolled,
  c.DATELEFT AS dateleft
FROM CC c
JOIN STUDENTS st ON st.ID = c.STUDENTID
JOIN TERMS t ON t.SCHOOLID = c.SCHOOLID AND t.ID = ABS(c.TERMID)
JOIN recent r ON r.SCHOOLID = t.SCHOOLID AND r.YEARID = t.YEARID
WHERE st.ENROLL_STATUS IN (0, -1)
ORDER BY c.DCID
