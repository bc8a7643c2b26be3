-- Findings: how many values of a column were written otherwise than the roster has them.
WITH corrected AS (
  SELECT 'orgs.parentSourcedId' AS place, count(*) AS times, 'not in the set: blank' AS what
  FROM checked_orgs
  WHERE is_in AND has_lost_parent
  UNION ALL
  SELECT 'academicSessions.parentSourcedId', count(*), 'not in the set: blank'
  FROM checked_terms
  WHERE is_in AND has_lost_parent
  UNION ALL
  SELECT 'courses.schoolYearSourcedId', count(*), 'no school year of the set: blank'
  FROM checked_courses
  WHERE is_in AND has_lost_year
  UNION ALL
  SELECT file || '.grades', sum(lost_grades), 'not in the vocabulary: left out'
  FROM written_lists
  GROUP BY file
  UNION ALL
  SELECT file || '.grades', count(*), 'several grades: only the first'
  FROM written_lists
  WHERE has_more_grades
  GROUP BY file
  UNION ALL
  SELECT file || '.subjects', count(*), 'not one code for each subject: both blank'
  FROM written_lists
  WHERE has_lost_subjects
  GROUP BY file
  UNION ALL
  SELECT 'classes.classType', count(*), 'a word that 1.1 lacks: scheduled'
  FROM roster.classes c
  JOIN checked_classes k ON k.id = c.id
  WHERE k.is_in AND $version = '1.1' AND starts_with(c.class_type, 'ext:')
  UNION ALL
  SELECT 'users.username', count(*), 'from e-mail, identifier or sourcedId'
  FROM roster.users u
  JOIN checked_users k ON k.id = u.id
  WHERE k.is_in AND NOT coalesce(regexp_matches(u.username, '[\pL\pN\pP\pS]'), false)
  UNION ALL
  SELECT 'users.primaryOrgSourcedId', count(*), 'no role there: blank'
  FROM roster.users u
  JOIN checked_users k ON k.id = u.id
  WHERE k.is_in AND u.primary_school_id IS NOT NULL AND k.home IS NULL
  UNION ALL
  SELECT 'users.agentSourcedIds', count(*), 'not in the set: left out'
  FROM roster.user_agents a
  JOIN checked_users k ON k.id = a.user_id
  LEFT JOIN checked_users g ON g.id = a.agent_id
  WHERE k.is_in AND (g.id IS NULL OR g.is_chosen AND g.lacks IS NOT NULL)
  UNION ALL
  SELECT 'enrollments.beginDate and endDate', count(*), 'cut to the terms of the class'
  FROM checked_enrollments
  WHERE is_cut AND lacks IS NULL
  UNION ALL
  SELECT 'enrollments.primary', count(*), 'a second primary teacher: false'
  FROM later_primaries
  UNION ALL
  SELECT 'demographics.sex', count(*), 'a word that 1.1 lacks: blank'
  FROM roster.users u
  JOIN checked_users k ON k.id = u.id
  WHERE k.is_in AND $demographics AND $version = '1.1'
    AND u.gender NOT IN ('male', 'female')
)

SELECT 'write.corrected' AS code, place AS key, CAST(times AS VARCHAR) || ' ' || what AS detail
FROM corrected
WHERE times > 0
