-- Sections as Sections.csv shows them, and why a row is not in it (`problem`).
-- A range of grades is stored by its digits: 345 is 3-5.
-- Rule: docs/reference/clever_sftp.md, sections.
WITH bounds AS (
    SELECT unnest(range(1, 14)) AS bound
),

ranges AS (
    SELECT
        low.bound AS low, high.bound AS high,
        array_to_string(range(low.bound, high.bound + 1), '') AS digits
    FROM bounds AS low
    JOIN bounds AS high ON high.bound > low.bound
),

-- The ranges between the school's grades that have the section's digits: one, or none counts.
fitting AS (
    SELECT s.id, any_value(r.low || '-' || r.high) AS span
    FROM kept_sections AS s
    JOIN raw.powerschool.schools AS b ON b.school_number = s.schoolid
    JOIN ranges AS r ON r.digits = CAST(s.grade_level AS VARCHAR)
        AND r.low >= coalesce(b.low_grade, 1) AND r.high <= coalesce(b.high_grade, 13)
    GROUP BY s.id
    HAVING count(*) = 1
),

subjects (word, subject) AS (
    VALUES ('math', 'Math'), ('science', 'Science'), ('language', 'Language'),
        ('eng', 'English/language arts'), ('mat', 'Math'), ('sci', 'Science'),
        ('gls', 'Social studies'), ('gov', 'Social studies'), ('uhi', 'Social studies'),
        ('social studies', 'Social studies'), ('socialstudies', 'Social studies'),
        ('pe', 'PE and health'), ('hlt', 'PE and health')
),

-- Clever's own names of several words, which the earlier script lost.
own_subjects (subject) AS (
    VALUES ('English/language arts'), ('Homeroom/advisory'),
        ('Interventions/online learning'), ('Technology and engineering'),
        ('PE and health'), ('Arts and music'), ('other')
),

taught AS (
    SELECT
        sectionid, count(*) AS teachers,
        list(CAST(users_dcid AS VARCHAR) ORDER BY place) AS ids
    FROM teaching
    WHERE place IS NOT NULL
    GROUP BY sectionid
)

SELECT
    s.id,
    CAST(s.schoolid AS VARCHAR) AS school_id,
    CAST(s.id AS VARCHAR) AS section_id,
    coalesce(t.teachers, 0) AS teachers,
    t.ids AS teacher_ids,
    s.course_name, s.course_number, s.section_number,
    split_part(s.expression, '(', 1) AS period,
    coalesce(m.subject, if($clever_subjects, o.subject, NULL)) AS subject,
    CAST(s.grade_level AS VARCHAR) AS digits,
    s.grade_level BETWEEN coalesce(b.low_grade, -3) AND coalesce(b.high_grade, 13)
        AS has_grade,
    CASE
        WHEN NOT $grade_words THEN CASE
            WHEN s.grade_level < 0 THEN 'Preschool'
            WHEN s.grade_level > 12
                OR (s.grade_level > 9 AND s.schoolid <> $high_school)
                THEN digits[1] || '-' || digits[-1]
            WHEN s.grade_level > 0 THEN digits END
        WHEN s.grade_level > 0 AND has_grade THEN digits
        WHEN f.span IS NOT NULL THEN f.span
        WHEN s.grade_level BETWEEN 1 AND 13 THEN digits
        WHEN has_grade THEN CASE s.grade_level WHEN 0 THEN 'Kindergarten'
            WHEN -1 THEN 'Prekindergarten' WHEN -2 THEN 'Preschool'
            ELSE 'InfantToddler' END
    END AS grade,
    strftime(s.first_day, '%m/%d/%Y') AS term_start,
    strftime(s.last_day, '%m/%d/%Y') AS term_end,
    s.term_name,
    if($grade_words AND grade IS NULL AND s.grade_level <> 0, 'Grade', NULL) AS bad_values,
    if(t.teachers IS NULL, 'clever_sftp.no_teacher', NULL) AS problem
FROM kept_sections AS s
LEFT JOIN raw.powerschool.schools AS b ON b.school_number = s.schoolid
LEFT JOIN taught AS t ON t.sectionid = s.id
LEFT JOIN fitting AS f ON f.id = s.id
LEFT JOIN subjects AS m ON m.word = lower(s.credittype)
LEFT JOIN own_subjects AS o ON lower(o.subject) = lower(s.credittype)
