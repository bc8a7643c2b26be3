-- Buildings: one row per SCHOOLS row, ordered by SCHOOL_NUMBER, the number that every
-- SCHOOLID column holds. Which of them the roster keeps is decided while staging.
SELECT
  CAST(s.SCHOOL_NUMBER AS NUMBER(18)) AS school_number,
  s.NAME AS name,
  CAST(s.LOW_GRADE AS NUMBER(18)) AS low_grade,
  CAST(s.HIGH_GRADE AS NUMBER(18)) AS high_grade,
  CAST(s.STATE_EXCLUDEFROMREPORTING AS NUMBER(18)) AS state_excludefromreporting,
  s.SCHOOLPHONE AS schoolphone,
  s.SCHOOLADDRESS AS schooladdress,
  s.SCHOOLCITY AS schoolcity,
  s.SCHOOLSTATE AS schoolstate,
  s.SCHOOLZIP AS schoolzip,
  s.PRINCIPAL AS principal,
  s.PRINCIPALEMAIL AS principalemail
FROM SCHOOLS s
ORDER BY s.SCHOOL_NUMBER
