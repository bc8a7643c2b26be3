-- enrollments.csv in the shape of OneRoster REST 1.2. Ends are exclusive in both.
-- Rule: docs/reference/oneroster_csv.md.
SELECT
    * EXCLUDE ("classSourcedId", "schoolSourcedId", "userSourcedId"),
    {'sourcedId': "classSourcedId"} AS "class",
    {'sourcedId': "schoolSourcedId"} AS school,
    {'sourcedId': "userSourcedId"} AS "user"
FROM raw.enrollments
