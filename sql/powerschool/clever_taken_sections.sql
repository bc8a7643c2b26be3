-- Sections of the three newest school years that any student takes or took: a row of CC
-- with their ID, term and building. A dropped class has a negated SECTIONID and does not
-- count. Ordered by ID.
WITH recent AS (
  SELECT y.SCHOOLID, y.YEARID
  FROM TERMS y
  LEFT JOIN TERMS n
    ON n.SCHOOLID = y.SCHOOLID AND n.ISYEARREC = 1 AND n.YEARID > y.YEARID
  WHERE y.ISYEARREC = 1
  GROUP BY y.SCHOOLID, y.YEARID
  HAVING COUNT(DISTINCT n.YEARID) < 3
)
SELECT DISTINCT CAST(c.SECTIONID AS NUMBER(18)) AS sectionid
FROM CC c
JOIN SECTIONS s ON s.ID = c.SECTIONID AND s.TERMID = c.TERMID AND s.SCHOOLID = c.SCHOOLID
JOIN TERMS t ON t.SCHOOLID = s.SCHOOLID AND t.ID = s.TERMID
JOIN recent r ON r.SCHOOLID = t.SCHOOLID AND r.YEARID = t.YEARID
ORDER BY sectionid
