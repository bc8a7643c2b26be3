-- users.csv in the shape of OneRoster REST 1.2. The roles are those of roles.csv (1.2),
-- else one for each org of the row (1.1): there an administrator of a district org is a
-- districtAdministrator, any other a siteAdministrator, and the first org is the primary
-- one. Rule: docs/reference/oneroster_csv.md, users and roles.
WITH roles AS (
    SELECT
        "userSourcedId" AS user_id,
        list({
            'roleType': "roleType",
            'role': role,
            'org': {'sourcedId': "orgSourcedId"},
            'beginDate': "beginDate",
            'endDate': "endDate"
        } ORDER BY _line) AS found
    FROM raw.roles
    WHERE coalesce(lower(status), 'active') NOT IN ('tobedeleted', 'inactive')
    GROUP BY "userSourcedId"
),

districts AS (
    SELECT coalesce(list("sourcedId"), []) AS ids
    FROM raw.orgs
    WHERE lower(type) = 'district'
),

listed AS (
    SELECT
        *,
        [trim(e) FOR e IN string_split("orgSourcedIds", ',') IF trim(e) != ''] AS own
    FROM raw.users
)

SELECT
    listed.* EXCLUDE (
        own, "orgSourcedIds", role, "userIds", "agentSourcedIds", grades,
        "primaryOrgSourcedId"
    ),
    coalesce(roles.found, [{
        'roleType': 'primary',
        'role': CASE
            WHEN lower(listed.role) != 'administrator' THEN listed.role
            WHEN list_contains(districts.ids, org) THEN 'districtAdministrator'
            ELSE 'siteAdministrator'
        END,
        'org': {'sourcedId': org},
        'beginDate': NULL::VARCHAR,
        'endDate': NULL::VARCHAR
    } FOR org IN own]) AS roles,
    {'sourcedId': coalesce("primaryOrgSourcedId", own[1])} AS "primaryOrg",
    [{
        'type': trim(regexp_extract(e, '^\{([^:]+):', 1)),
        'identifier': trim(regexp_extract(e, ':(.*)\}$', 1))
    } FOR e IN regexp_extract_all("userIds", '\{[^{}:]+:[^{}]+\}')] AS "userIds",
    [{'sourcedId': trim(e)} FOR e IN string_split("agentSourcedIds", ',') IF trim(e) != '']
        AS agents,
    list_filter([trim(e) FOR e IN string_split(grades, ',')], lambda e: e != '')
        AS grades
FROM listed
CROSS JOIN districts
LEFT JOIN roles ON roles.user_id = listed."sourcedId"
