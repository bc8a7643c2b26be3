-- Sections of the three newest school years of each building (see
-- docs/reference/powerschool.md), ordered by ID, with the person whom TEACHER names.
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
  CAST(s.ID AS NUMBER(18)) AS id,
  CAST(s.SCHOOLID AS NUMBER(18)) AS schoolid,
  CAST(s.TERMID AS NUMBER(18)) AS termid,
  s.COURSE_NUMBER AS course_number,
  s.SECTION_NUMBER AS section_number,
  CAST(s.TEACHER AS NUMBER(18)) AS teacher,
  CAST(ss.USERS_DCID AS NUMBER(18)) AS teacher_users_dcid,
  s.ROOM AS room,
  s.EXPRESSION AS expression,
  CAST(s.GRADE_LEVEL AS NUMBER(18)) AS grade_level
FROM SECTIONS s
JOIN TERMS t ON t.SCHOOLID = s.SCHOOLID AND t.ID = s.TERMID
JOIN recent r ON r.SCHOOLID = t.SCHOOLID AND r.YEARID = t.YEARID
LEFT JOIN SCHOOLSTAFF ss ON ss.ID = s.TEACHER
ORDER BY s.ID
