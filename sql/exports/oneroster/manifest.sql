-- manifest.csv: every file of the version in its order, and the mode that is true of it.
WITH names AS (
  SELECT unnest(CASE WHEN $version = '1.1' THEN [
    'academicSessions', 'categories', 'classes', 'classResources', 'courses',
    'courseResources', 'demographics', 'enrollments', 'lineItems', 'orgs', 'resources',
    'results', 'users'
  ] ELSE [
    'academicSessions', 'categories', 'classes', 'classResources', 'courses',
    'courseResources', 'demographics', 'enrollments', 'lineItemLearningObjectiveIds',
    'lineItems', 'lineItemScoreScales', 'orgs', 'resources', 'resultLearningObjectiveIds',
    'results', 'resultScoreScales', 'roles', 'scoreScales', 'userProfiles',
    'userResources', 'users'
  ] END) AS name
),

files AS (
  SELECT row_number() OVER () AS place, name FROM names
)

SELECT 1 AS place, 'manifest.version' AS property, '1.0' AS value
UNION ALL
SELECT 2, 'oneroster.version', left($version, 3)
UNION ALL
SELECT 2 + f.place, 'file.' || f.name, coalesce(s.mode, 'absent')
FROM files f
LEFT JOIN set_files s ON s.file = f.name || '.csv'
UNION ALL
SELECT 101, 'source.systemName', 'D118 Pipelines'
UNION ALL
SELECT 102, 'source.systemCode', 'd118-pipelines'
