-- classes.csv in the shape of OneRoster REST 1.2: references as objects, lists as lists.
-- Rule: docs/reference/oneroster_csv.md.
SELECT
    * EXCLUDE (
        "courseSourcedId", "schoolSourcedId", "termSourcedIds", grades, subjects,
        "subjectCodes", periods
    ),
    {'sourcedId': "courseSourcedId"} AS course,
    {'sourcedId': "schoolSourcedId"} AS school,
    [{'sourcedId': trim(e)} FOR e IN string_split("termSourcedIds", ',') IF trim(e) != '']
        AS terms,
    list_filter([trim(e) FOR e IN string_split(grades, ',')], lambda e: e != '')
        AS grades,
    list_filter([trim(e) FOR e IN string_split(subjects, ',')], lambda e: e != '')
        AS subjects,
    list_filter([trim(e) FOR e IN string_split("subjectCodes", ',')], lambda e: e != '')
        AS "subjectCodes",
    list_filter([trim(e) FOR e IN string_split(periods, ',')], lambda e: e != '')
        AS periods
FROM raw.classes
