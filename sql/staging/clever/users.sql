-- One row per person. A person with several roles comes in several reads: the newest
-- object counts, and of each role the newest that was sent. E-mail never joins anybody.
-- Rule: docs/reference/clever_api.md, users.
WITH received AS (
    SELECT
        record ->> '$.id' AS id,
        -- Newest first; of equal times the one that came later.
        list_reverse_sort(list({
            last_modified: coalesce(record ->> '$.last_modified', ''),
            _row: _row, _collection: _collection, record: record})) AS objects
    FROM raw.users
    GROUP BY ALL
),

typed AS (
    SELECT
        id,
        objects[1]._collection AS _collection,
        objects[1]._row AS _row,
        [json_transform(o.record, '{
            "id": "VARCHAR", "district": "VARCHAR", "email": "VARCHAR",
            "last_modified": "VARCHAR",
            "name": {"first": "VARCHAR", "middle": "VARCHAR", "last": "VARCHAR"},
            "roles": {
                "student": {"sis_id": "VARCHAR", "student_number": "VARCHAR",
                    "state_id": "VARCHAR", "school": "VARCHAR", "schools": ["VARCHAR"],
                    "enrollments": [{"school": "VARCHAR", "start_date": "VARCHAR",
                        "end_date": "VARCHAR"}],
                    "grade": "VARCHAR", "graduation_year": "VARCHAR",
                    "credentials": {"district_username": "VARCHAR"},
                    "preferred_name": {"first": "VARCHAR", "middle": "VARCHAR",
                        "last": "VARCHAR"}},
                "teacher": {"sis_id": "VARCHAR", "teacher_number": "VARCHAR",
                    "state_id": "VARCHAR", "title": "VARCHAR", "school": "VARCHAR",
                    "schools": ["VARCHAR"],
                    "credentials": {"district_username": "VARCHAR"}},
                "staff": {"staff_id": "VARCHAR", "title": "VARCHAR",
                    "schools": ["VARCHAR"],
                    "credentials": {"district_username": "VARCHAR"}},
                "district_admin": {"title": "VARCHAR"},
                "contact": {"sis_id": "VARCHAR", "phone": "VARCHAR",
                    "student_relationships": [{"student": "VARCHAR",
                        "relationship": "VARCHAR", "type": "VARCHAR"}]}}}')
            FOR o IN objects] AS all_of
    FROM received
),

people AS (
    SELECT
        id,
        _collection,
        _row,
        all_of[1] AS u,
        [v.roles.student FOR v IN all_of IF v.roles.student IS NOT NULL][1] AS student,
        [v.roles.teacher FOR v IN all_of IF v.roles.teacher IS NOT NULL][1] AS teacher,
        [v.roles.staff FOR v IN all_of IF v.roles.staff IS NOT NULL][1] AS staff,
        [v.roles.district_admin FOR v IN all_of
            IF v.roles.district_admin IS NOT NULL][1] AS admin,
        [v.roles.contact FOR v IN all_of IF v.roles.contact IS NOT NULL][1] AS contact
    FROM typed
),

relations AS (
    SELECT id AS contact, unnest(contact.student_relationships, recursive := true)
    FROM people
    WHERE contact IS NOT NULL
),

-- Word of a contact: the first of parent, guardian, relative that fits.
contacts AS (
    SELECT
        r.contact,
        ['parent', 'guardian', 'relative'][min(CASE
            WHEN r.relationship = 'Parent' THEN 1
            WHEN r.type IN ('Parent/Guardian', 'Primary') THEN 2
            ELSE 3 END)] AS word,
        list(DISTINCT s.student.school) FILTER (s.student.school IS NOT NULL) AS orgs
    FROM relations AS r
    LEFT JOIN people AS s ON s.id = r.student
    WHERE r.relationship IS DISTINCT FROM 'Self'
    GROUP BY r.contact
),

agents AS (
    SELECT student AS pupil, list_sort(list(DISTINCT contact)) AS ids
    FROM relations
    WHERE relationship IS DISTINCT FROM 'Self'
    GROUP BY student
),

-- Where each role holds; whoever has no school belongs to the district.
placed AS (
    SELECT
        people.*,
        contacts.word,
        if(student IS NULL, [], coalesce(
            nullif(list_distinct([student.school] || student.schools), []),
            [u.district])) AS student_orgs,
        if(teacher IS NULL, [], coalesce(
            nullif(list_distinct([teacher.school] || teacher.schools), []),
            [u.district])) AS teacher_orgs,
        if(admin IS NULL, [], [u.district]) AS admin_orgs,
        if(staff IS NULL, [], coalesce(
            nullif(list_distinct(staff.schools), []), [u.district])) AS staff_orgs,
        if(word IS NULL, [], coalesce(orgs, [u.district])) AS contact_orgs,
        agents.ids AS agent_ids
    FROM people
    LEFT JOIN contacts ON contacts.contact = people.id
    LEFT JOIN agents ON agents.pupil = people.id
),

-- One role of a person at an org is primary: teacher, student, district
-- administrator, staff, contact, in this order.
holding AS (
    SELECT
        *,
        [{word: 'teacher', org: o, type: 'primary', first_day: NULL, last_day: NULL}
            FOR o IN teacher_orgs]
        || [{word: 'student', org: o,
                type: if(list_contains(teacher_orgs, o), 'secondary', 'primary'),
                first_day: list_min([coalesce(e.start_date[:10], '')
                    FOR e IN student.enrollments IF e.school = o]),
                -- An open end is the latest: it sorts behind every date.
                last_day: list_max([coalesce(e.end_date[:10], 'open')
                    FOR e IN student.enrollments IF e.school = o])}
            FOR o IN student_orgs]
        || [{word: 'district_admin', org: o,
                type: if(list_contains(teacher_orgs || student_orgs, o),
                    'secondary', 'primary'),
                first_day: NULL, last_day: NULL}
            FOR o IN admin_orgs]
        || [{word: 'staff', org: o,
                type: if(list_contains(teacher_orgs || student_orgs || admin_orgs, o),
                    'secondary', 'primary'),
                first_day: NULL, last_day: NULL}
            FOR o IN staff_orgs]
        || [{word: word, org: o, type: 'primary', first_day: NULL, last_day: NULL}
            FOR o IN contact_orgs] AS held,
        -- The whole name of a contact is in the last name.
        if(contact IS NOT NULL AND coalesce(trim(u.name.first), '') = '',
            string_split_regex(trim(u.name.last), '\s+'), NULL) AS words
    FROM placed
)

SELECT
    _collection,
    _row,
    id,
    u.last_modified AS last_modified,
    u.email AS email,
    coalesce(nullif(student.credentials.district_username, ''),
        nullif(teacher.credentials.district_username, ''),
        nullif(staff.credentials.district_username, ''),
        nullif(u.email, ''), nullif(student.sis_id, ''), nullif(teacher.sis_id, ''),
        nullif(contact.sis_id, ''), nullif(staff.staff_id, ''), id) AS username,
    if(words IS NULL, u.name.first, array_to_string(words[:-2], ' ')) AS first_name,
    u.name.middle AS middle_name,
    if(words IS NULL, u.name.last, words[-1]) AS last_name,
    student.preferred_name.first AS preferred_first_name,
    student.preferred_name.middle AS preferred_middle_name,
    student.preferred_name.last AS preferred_last_name,
    coalesce(teacher.title, staff.title, admin.title) AS title,
    student.grade AS grade,
    list_filter([student.grade], lambda g: g != '') AS grades,
    student.graduation_year AS graduation_year,
    student.student_number AS student_number,
    coalesce(nullif(teacher.teacher_number, ''), staff.staff_id) AS staff_id,
    coalesce(nullif(student.student_number, ''), nullif(teacher.teacher_number, ''),
        nullif(student.sis_id, ''), nullif(teacher.sis_id, ''),
        nullif(contact.sis_id, ''), staff.staff_id) AS identifier,
    coalesce(nullif(student.sis_id, ''), nullif(teacher.sis_id, ''), contact.sis_id)
        AS sis_id,
    coalesce(nullif(student.state_id, ''), teacher.state_id) AS state_id,
    contact.phone AS phone,
    list_filter([
        {type: 'cleverId', identifier: id},
        {type: 'sisId',
            identifier: coalesce(student.sis_id, teacher.sis_id, contact.sis_id)},
        {type: 'studentNumber', identifier: student.student_number},
        {type: 'teacherNumber', identifier: teacher.teacher_number},
        {type: 'staffId', identifier: staff.staff_id}
    ], lambda entry: entry.identifier != '') AS user_ids,
    coalesce(student.school, teacher.school, staff.schools[1], u.district)
        AS primary_school,
    [h.word FOR h IN held] AS roles,
    [h.type FOR h IN held] AS role_types,
    [h.org FOR h IN held] AS role_orgs,
    [CAST(try_cast(h.first_day AS DATE) AS VARCHAR) FOR h IN held] AS role_begins,
    -- The last day belongs to the role; the end of a role does not.
    [CAST(try_cast(h.last_day AS DATE) + 1 AS VARCHAR) FOR h IN held] AS role_ends,
    agent_ids
FROM holding
