-- Terms of all buildings and years, ordered by DCID. ID is unique only together with
-- SCHOOLID. Which school year is the current one is decided while staging.
SELECT
  CAST(t.DCID AS NUMBER(18)) AS dcid,
  CAST(t.SCHOOLID AS NUMBER(18)) AS schoolid,
  CAST(t.ID AS NUMBER(18)) AS id,
  CAST(t.YEARID AS NUMBER(18)) AS yearid,
  CAST(t.ISYEARREC AS NUMBER(18)) AS isyearrec,
  CAST(t.PORTION AS NUMBER(18)) AS portion,
  t.NAME AS name,
  t.ABBREVIATION AS abbreviation,
  t.FIRSTDAY AS firstday,
  t.LASTDAY AS lastday
FROM TERMS t
ORDER BY t.DCID
