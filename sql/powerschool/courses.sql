-- Courses, ordered by DCID; SCHOOLID 0 is a course of the whole district. Sections point
-- at COURSE_NUMBER.
SELECT
  CAST(c.DCID AS NUMBER(18)) AS dcid,
  CAST(c.SCHOOLID AS NUMBER(18)) AS schoolid,
  c.COURSE_NUMBER AS course_number,
  c.COURSE_NAME AS course_name,
  c.CREDITTYPE AS credittype,
  c.CREDIT_HOURS AS credit_hours
FROM COURSES c
ORDER BY c.DCID
