-- courses.csv in the shape of OneRoster REST 1.2: references as objects, lists as lists.
-- Rule: docs/reference/oneroster_csv.md.
SELECT
    * EXCLUDE ("schoolYearSourcedId", "orgSourcedId", grades, subjects, "subjectCodes"),
    {'sourcedId': "schoolYearSourcedId"} AS "schoolYear",
    {'sourcedId': "orgSourcedId"} AS org,
    list_filter([trim(e) FOR e IN string_split(grades, ',')], lambda e: e != '')
        AS grades,
    list_filter([trim(e) FOR e IN string_split(subjects, ',')], lambda e: e != '')
        AS subjects,
    list_filter([trim(e) FOR e IN string_split("subjectCodes", ',')], lambda e: e != '')
        AS "subjectCodes"
FROM raw.courses
