-- Active (ENROLL_STATUS 0) and pre-registered (-1) students, ordered by DCID; and those
-- who left and whose name somebody marked as a duplicate, which is only reported.
-- STUDENT_NUMBER is a floating-point number and comes as one.
SELECT
  CAST(s.DCID AS NUMBER(18)) AS dcid,
  CAST(s.ID AS NUMBER(18)) AS id,
  s.STUDENT_NUMBER AS student_number,
  s.STATE_STUDENTNUMBER AS state_studentnumber,
  s.FIRST_NAME AS first_name,
  s.MIDDLE_NAME AS middle_name,
  s.LAST_NAME AS last_name,
  s.GENDER AS gender,
  s.DOB AS dob,
  CAST(s.GRADE_LEVEL AS NUMBER(18)) AS grade_level,
  CAST(s.SCHOOLID AS NUMBER(18)) AS schoolid,
  CAST(s.SCHED_YEAROFGRADUATION AS NUMBER(18)) AS graduation_year,
  CAST(s.ENROLL_STATUS AS NUMBER(18)) AS enroll_status
FROM STUDENTS s
WHERE s.ENROLL_STATUS IN (0, -1)
  OR (
    s.ENROLL_STATUS > 0
    AND (LOWER(s.LAST_NAME) LIKE '%_dupe%' OR LOWER(s.FIRST_NAME) LIKE '%_dupe%')
  )
ORDER BY s.DCID
