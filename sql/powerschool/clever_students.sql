-- Students for Clever: active (ENROLL_STATUS 0) and pre-registered (-1), one row per
-- student, ordered by ID, with what the roster does not keep: address, lunch status,
-- plans, GPA. The extension tables have no row for many students.
-- STUDENT_NUMBER is a floating-point number and comes as one.
SELECT
  CAST(s.DCID AS NUMBER(18)) AS dcid,
  CAST(s.ID AS NUMBER(18)) AS id,
  s.STUDENT_NUMBER AS student_number,
  s.STATE_STUDENTNUMBER AS state_studentnumber,
  CAST(s.SCHOOLID AS NUMBER(18)) AS schoolid,
  s.FIRST_NAME AS first_name,
  s.MIDDLE_NAME AS middle_name,
  s.LAST_NAME AS last_name,
  s.GENDER AS gender,
  s.DOB AS dob,
  CAST(s.GRADE_LEVEL AS NUMBER(18)) AS grade_level,
  s.STREET AS street,
  s.CITY AS city,
  s.STATE AS state,
  s.ZIP AS zip,
  s.LUNCHSTATUS AS lunchstatus,
  e.CUSTOM_ETHNICITY AS custom_ethnicity,
  e.CUSTOM_RACE AS custom_race,
  e.CUSTOM_LEP AS custom_lep,
  e.SIMPLE_GPA AS simple_gpa,
  e.WEIGHTED_GPA AS weighted_gpa,
  CAST(x.IEP AS NUMBER(18)) AS iep,
  CAST(p.PARTICIPANT AS NUMBER(18)) AS plan_504,
  g.GIFTEDTALENTEDPROGRAMS_YN AS gifted
FROM STUDENTS s
LEFT JOIN U_DEF_EXT_STUDENTS0 e ON e.STUDENTSDCID = s.DCID
LEFT JOIN S_IL_STU_X x ON x.STUDENTSDCID = s.DCID
LEFT JOIN S_IL_STU_PLAN504_X p ON p.STUDENTSDCID = s.DCID
LEFT JOIN S_STU_CRDC_X g ON g.STUDENTSDCID = s.DCID
WHERE s.ENROLL_STATUS IN (0, -1)
ORDER BY s.ID, s.DCID
