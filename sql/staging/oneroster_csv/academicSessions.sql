-- academicSessions.csv in the shape of OneRoster REST 1.2. Ends are exclusive in both.
-- Rule: docs/reference/oneroster_csv.md.
SELECT
    * EXCLUDE ("parentSourcedId"),
    {'sourcedId': "parentSourcedId"} AS parent
FROM raw."academicSessions"
