-- Parts of the views `record.<entity>`: a staged roster in the roster's columns.
-- Read by d118_pipelines/roster/planning/record_views.py. {{found}} has entity,
-- external_id, internal_id of schools and people.
-- Rule: docs/reference/matching_and_guard.md.

-- name: found
-- The internal id of a school or person that a key means.
(
    SELECT external_id, internal_id FROM {{found}} WHERE entity = {{'entity'}}
) AS {{alias}} ON {{alias}}.external_id = {{key}}

-- name: made
-- The internal id of another record that a field means. Few are distinct: each id is made
-- once, not once per row.
LEFT JOIN (
    SELECT external_id, {{new_id}} AS internal_id
    FROM (SELECT DISTINCT {{name}} AS external_id FROM {{rows}})
) AS {{alias}} ON {{alias}}.external_id = {{key}}

-- name: roles
-- Each distinct text of roles with its schools as internal ids; few are distinct.
LEFT JOIN (
    SELECT
        roles,
        CAST(to_json(list({
            'school_id': o.internal_id,
            'role': x.role,
            'source_role': x.source_role,
            'is_primary': x.is_primary,
            'begin_date': x.begin_date,
            'end_date': x.end_date
        } ORDER BY place)) AS VARCHAR) AS resolved
    FROM (
        SELECT roles, unnest(x) AS x, generate_subscripts(x, 1) AS place
        FROM (
            SELECT roles, from_json(roles, '[{"school_external_id": "VARCHAR",
                "role": "VARCHAR", "source_role": "VARCHAR", "is_primary": "BOOLEAN",
                "begin_date": "VARCHAR", "end_date": "VARCHAR"}]') AS x
            FROM (SELECT DISTINCT roles FROM {{rows}} WHERE roles IS NOT NULL)
        )
    )
    LEFT JOIN {{orgs}}
    GROUP BY roles
) AS r ON r.roles = s.roles

-- name: agents
-- The guardians that are known, as a sorted JSON list of internal ids.
LEFT JOIN (
    SELECT
        k.external_id,
        CAST(to_json(list(g.internal_id ORDER BY g.internal_id)) AS VARCHAR) AS agent_ids
    FROM (
        SELECT
            external_id, unnest(json_extract_string(agent_external_ids, '$[*]')) AS agent
        FROM {{rows}}
        WHERE agent_external_ids IS NOT NULL
    ) AS k
    JOIN {{users}}
    GROUP BY k.external_id
) AS a ON a.external_id = s.external_id
