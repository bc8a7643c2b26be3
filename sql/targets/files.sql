-- The finished files as relations: rows, cleaned, with their lines, and what is checked.
-- A file has the columns _row (order, from 1), _record (the population's key), _key,
-- _identity, _state, _modified (when the record changed, or null), _person, _kind and
-- _school (whom the row is about, and where; '' if the file does not say), its own columns
-- as text, _dirty (names of columns that were cleaned), _line (without line end) and _hash
-- (MD5 of the line: what two deliveries are compared by; files have a SHA-256).
-- Read by d118_pipelines/targets/render.py, build.py, facts.py and delta.py. A value that
-- ends with somebody's SQL stands on lines of its own, because that may end with a comment.

-- name: rows
-- The rows as the file's own SQL gives them, in order and with their keys.
SELECT
    row_number() OVER () AS _row,
    CAST({{record}} AS VARCHAR) AS _record,
    CAST({{key}} AS VARCHAR) AS _key,
    CAST({{identity}} AS VARCHAR) AS _identity,
    {{state}} AS _state,
    CAST({{modified}} AS TIMESTAMP) AS _modified,
    coalesce(CAST({{person}} AS VARCHAR), '') AS _person,
    coalesce(CAST({{kind}} AS VARCHAR), '') AS _kind,
    coalesce(CAST({{school}} AS VARCHAR), '') AS _school,
    {{columns}}
FROM (SELECT * FROM (
{{source}}
) ORDER BY {{sort}})

-- name: cleaned
-- Without what the file cannot carry; _dirty names the columns that had any of it.
SELECT
    _row, _record, _key, _identity, _state, _modified, _person, _kind, _school,
    {{cleaned}},
    _dirty
FROM (
    SELECT
        *,
        if(
            _dirty IS NOT NULL,
            list_transform(
                [{{names}}], lambda _value: regexp_replace(_value, {{'pattern'}}, ' ', 'g')
            ),
            NULL
        ) AS _cleaned
    FROM (
        SELECT
            *,
            if(
                regexp_matches(concat_ws('', {{names}}), {{'pattern'}}),
                array_to_string(list_filter(
                    [{{headers}}],
                    lambda _header, _n: regexp_matches([{{names}}][_n], {{'pattern'}})
                ), ', '),
                NULL
            ) AS _dirty
        FROM ({{rows}})))

-- name: quoted
-- The values of a record with the delimiter between them, in quotes where needed.
array_to_string(list_transform(
    [{{values}}], lambda _value: if({{needed}}, {{in_quotes}}, _value)
), {{'delimiter'}})

-- name: with_line
SELECT *, md5(_line) AS _hash FROM (SELECT *, {{line}} AS _line FROM ({{rows}}))

-- name: without_line
SELECT *, md5({{line}}) AS _hash FROM ({{rows}})

-- name: line_made
-- The kept rows with the line, which was not kept.
CREATE OR REPLACE VIEW {{file}} AS
SELECT *, {{line}} AS _line FROM read_parquet({{'path'}})

-- name: dirty
SELECT _record, _dirty FROM {{file}} WHERE _dirty IS NOT NULL ORDER BY _row

-- name: misshapen
-- Keys of lines with another number of values; {{bare}} is the line outside quotes.
SELECT _key
FROM (SELECT _key, _row, {{bare}} AS bare FROM {{file}})
WHERE
    length(bare) - length(replace(bare, {{'delimiter'}}, '')) <> {{delimiters}}
    OR contains(bare, chr(10)) OR contains(bare, chr(13))
    OR {{has_quote}}
ORDER BY _row

-- name: outside_quotes
if(contains(_line, '"'), regexp_replace(_line, '"(?:[^"]|"")*"', '', 'g'), _line)

-- name: written
-- The lines as they are: the delimiter is never in one.
COPY ({{lines}}) TO {{'path'}} (
    FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER {{'never'}}, NULLSTR '')

-- name: doubled
SELECT coalesce(_key, 'none')
FROM {{file}}
GROUP BY _key, _identity
HAVING count(*) > 1 OR _key IS NULL OR _identity IS NULL
ORDER BY 1

-- name: outcome
-- What became of every record: code and action are null where it is exported.
SELECT p.key, o.code, o.action
FROM (SELECT CAST({{key}} AS VARCHAR) AS key FROM population) AS p
LEFT JOIN outcome AS o ON o.key = p.key

-- name: people
SELECT _kind, count(DISTINCT _person) FROM {{file}} GROUP BY _kind ORDER BY _kind

-- name: schools
SELECT _school, _kind, count(*) FROM {{file}} GROUP BY ALL ORDER BY ALL

-- name: delta
-- Changed and new rows, then those that are gone with their last values.
CREATE OR REPLACE TABLE {{name}} AS
SELECT row_number() OVER (ORDER BY _key, _identity) AS _row, *, {{line}} AS _line
FROM (
    SELECT {{active}}
    FROM {{file}} AS r
    SEMI JOIN (
        SELECT key, identity FROM changes WHERE file = {{'file'}} AND action <> 'remove'
    ) AS c ON r._key = c.key AND r._identity = c.identity
    UNION ALL BY NAME
    SELECT {{gone}}
    FROM {{before}} AS r
    SEMI JOIN (
        SELECT key, identity FROM changes WHERE file = {{'file'}} AND action = 'remove'
    ) AS c ON r._key = c.key AND r._identity = c.identity)
